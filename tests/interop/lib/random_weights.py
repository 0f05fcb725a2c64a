"""Weights of true size and published names whose numbers depend on nothing but each tensor's name, so that a test makes on any machine, with numpy alone, what the golden file's
reference model was filled with (tests/golden/gen_encoders.py). write(spec, folder) leaves model.safetensors and config.json."""
import json, os, struct, zlib

import numpy as np


def numbers(name, shape):
    r = np.random.default_rng(zlib.crc32(name.encode()))
    x = r.standard_normal(int(np.prod(shape)), dtype=np.float32).reshape(shape)
    if not shape:
        return np.array(2.6592, np.float32)
    lower = name.lower()
    if len(shape) == 1:
        if "norm" in lower or "bn" in lower or "ln_" in lower or "layrnorm" in lower:
            return (1 + 0.1 * x if lower.endswith("weight") else 0.1 * x).astype(np.float32)
        return (0.1 * x).astype(np.float32)
    if "embedding" in lower or "pos_embed" in lower or "token" in lower:
        return (0.5 * x).astype(np.float32) if "patch" not in lower else (x / np.float32(np.sqrt(np.prod(shape[1:])))).astype(np.float32)
    return (x * np.float32(1.0 / np.sqrt(np.prod(shape[1:])))).astype(np.float32)


def clip(patch):
    t, side = {}, {}
    def block(p, w, m):
        for k in ("q", "k", "v", "out"):
            t[f"{p}.self_attn.{k}_proj.weight"], t[f"{p}.self_attn.{k}_proj.bias"] = (w, w), (w,)
        for k in ("layer_norm1", "layer_norm2"):
            t[f"{p}.{k}.weight"], t[f"{p}.{k}.bias"] = (w,), (w,)
        t[f"{p}.mlp.fc1.weight"], t[f"{p}.mlp.fc1.bias"], t[f"{p}.mlp.fc2.weight"], t[f"{p}.mlp.fc2.bias"] = (m, w), (m,), (w, m), (w,)
    t["logit_scale"] = ()
    t["text_model.embeddings.token_embedding.weight"], t["text_model.embeddings.position_embedding.weight"] = (49408, 512), (77, 512)
    t["vision_model.embeddings.class_embedding"], t["vision_model.embeddings.patch_embedding.weight"] = (768,), (768, 3, patch, patch)
    t["vision_model.embeddings.position_embedding.weight"] = ((224 // patch) ** 2 + 1, 768)
    for i in range(12):
        block(f"text_model.encoder.layers.{i}", 512, 2048)
        block(f"vision_model.encoder.layers.{i}", 768, 3072)
    for k, w in (("text_model.final_layer_norm", 512), ("vision_model.pre_layrnorm", 768), ("vision_model.post_layernorm", 768)):
        t[k + ".weight"], t[k + ".bias"] = (w,), (w,)
    t["visual_projection.weight"], t["text_projection.weight"] = (512, 768), (512, 512)
    common = dict(hidden_act="quick_gelu", layer_norm_eps=1e-5, num_hidden_layers=12)
    config = dict(model_type="clip", projection_dim=512,
                  vision_config=dict(common, hidden_size=768, intermediate_size=3072, num_attention_heads=12, image_size=224, patch_size=patch),
                  text_config=dict(common, hidden_size=512, intermediate_size=2048, num_attention_heads=8, vocab_size=49408, max_position_embeddings=77,
                                   bos_token_id=49406, eos_token_id=49407, pad_token_id=1))
    return t, config


def bert():
    t = {"embeddings.word_embeddings.weight": (30522, 768), "embeddings.position_embeddings.weight": (512, 768), "embeddings.token_type_embeddings.weight": (2, 768),
         "embeddings.LayerNorm.weight": (768,), "embeddings.LayerNorm.bias": (768,)}
    for i in range(12):
        p = f"encoder.layer.{i}."
        for k in ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"):
            t[p + k + ".weight"], t[p + k + ".bias"] = (768, 768), (768,)
        for k in ("attention.output.LayerNorm", "output.LayerNorm"):
            t[p + k + ".weight"], t[p + k + ".bias"] = (768,), (768,)
        t[p + "intermediate.dense.weight"], t[p + "intermediate.dense.bias"] = (3072, 768), (3072,)
        t[p + "output.dense.weight"], t[p + "output.dense.bias"] = (768, 3072), (768,)
    config = dict(model_type="bert", hidden_size=768, num_hidden_layers=12, num_attention_heads=12, intermediate_size=3072, vocab_size=30522, max_position_embeddings=512,
                  type_vocab_size=2, layer_norm_eps=1e-12, hidden_act="gelu")
    return t, config


def vit_b16():
    """torchvision's names."""
    t = {"class_token": (1, 1, 768), "conv_proj.weight": (768, 3, 16, 16), "conv_proj.bias": (768,), "encoder.pos_embedding": (1, 197, 768), "encoder.ln.weight": (768,), "encoder.ln.bias": (768,),
         "heads.head.weight": (1000, 768), "heads.head.bias": (1000,)}
    for i in range(12):
        p = f"encoder.layers.encoder_layer_{i}."
        for k in ("ln_1", "ln_2"):
            t[p + k + ".weight"], t[p + k + ".bias"] = (768,), (768,)
        t[p + "self_attention.in_proj_weight"], t[p + "self_attention.in_proj_bias"] = (2304, 768), (2304,)
        t[p + "self_attention.out_proj.weight"], t[p + "self_attention.out_proj.bias"] = (768, 768), (768,)
        t[p + "mlp.0.weight"], t[p + "mlp.0.bias"], t[p + "mlp.3.weight"], t[p + "mlp.3.bias"] = (3072, 768), (3072,), (768, 3072), (768,)
    return t, None


MODELS = {"clip-vit-b32": lambda: clip(32), "clip-vit-b16": lambda: clip(16), "bert": bert, "vit-b16": vit_b16}


def write_tensors(shapes, numbers, folder):
    """model.safetensors in folder: a tensor a name, filled by numbers(name, shape)."""
    os.makedirs(folder, exist_ok=True)
    header, at = {}, 0
    for name, shape in sorted(shapes.items()):
        size = 4 * int(np.prod(shape))
        header[name] = dict(dtype="F32", shape=list(shape), data_offsets=[at, at + size])
        at += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(os.path.join(folder, "model.safetensors"), "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for name, shape in sorted(shapes.items()):
            f.write(numbers(name, shape).tobytes())


def write(model, folder):
    shapes, config = MODELS[model]()
    write_tensors(shapes, numbers, folder)
    if config:
        json.dump(config, open(os.path.join(folder, "config.json"), "w"))
