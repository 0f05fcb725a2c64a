"""Golden hashes for lib/image/preset_config.c: what timm, transformers and open_clip make of pictures with the preprocessing that a file beside the weights asks for.

usage: gen_preset_configs.py TABLE. A list, an object a line: by (0 timm, 1 transformers, 2 open_clip), base (the tower's preset), config, like (the preset that gives the same, or null), side, and
pictures: [width, height, seed, SHA-256 of the (side, side, 3) float32 little-endian values]; or refused: a word of the message."""
import hashlib
import json
import sys

import numpy as np
from gen_presets import picture
from open_clip.transform import PreprocessCfg, image_transform_v2
from timm.data import create_transform, resolve_data_config
from transformers.models.bit.image_processing_pil_bit import BitImageProcessorPil
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.deit.image_processing_pil_deit import DeiTImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

SIZES = [(640, 480), (333, 500), (301, 225), (57, 90), (1, 4)]
HALF, IMAGENET, IMAGENET_STD = [0.5] * 3, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
OPENAI, OPENAI_STD = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]
PROCESSORS = {"CLIP": CLIPImageProcessorPil, "ViT": ViTImageProcessorPil, "DeiT": DeiTImageProcessorPil, "Sigl": SiglipImageProcessorPil, "Bit": BitImageProcessorPil}


def timm_cfg(c):
    f = create_transform(**resolve_data_config(pretrained_cfg=c), is_training=False)
    return lambda im: f(im).permute(1, 2, 0).numpy()


def transformers_cfg(c):
    name = c.get("image_processor_type") or c.get("feature_extractor_type")
    p = next(v for k, v in PROCESSORS.items() if name.startswith(k))(**{k: v for k, v in c.items() if not k.endswith("_type")})
    return lambda im: np.asarray(p(images=[np.asarray(im)], return_tensors="np", input_data_format="channels_last")["pixel_values"][0]).transpose(1, 2, 0)


def open_clip_cfg(c):
    f = image_transform_v2(PreprocessCfg(**c), is_train=False)
    return lambda im: f(im).permute(1, 2, 0).numpy()


RUN = [timm_cfg, transformers_cfg, open_clip_cfg]
CASES = [  # by, base, config, like
    (0, "imagenet", {"input_size": [3, 224, 224], "interpolation": "bicubic", "crop_pct": 0.95, "crop_mode": "center", "mean": IMAGENET, "std": IMAGENET_STD}, "imagenet-95"),
    (0, "imagenet", {"input_size": [3, 224, 224], "interpolation": "bilinear", "crop_pct": 0.875, "mean": IMAGENET, "std": IMAGENET_STD}, "imagenet"),
    (0, "imagenet", {"mean": HALF, "std": HALF}, None),
    (0, "imagenet", {"input_size": [3, 224, 224], "interpolation": "bicubic", "crop_pct": 1.0, "crop_mode": "squash", "mean": IMAGENET, "std": IMAGENET_STD}, None),
    (0, "imagenet", {"input_size": [3, 160, 160], "interpolation": "box", "crop_pct": 0.9, "crop_mode": "squash", "mean": [0, 0, 0], "std": [1, 1, 1]}, None),
    (0, "efficientnet-lite0", {"input_size": [3, 224, 224], "interpolation": "bicubic", "crop_pct": 0.875, "mean": IMAGENET, "std": IMAGENET_STD}, "imagenet-bicubic"),
    (1, "clip", {"feature_extractor_type": "CLIPFeatureExtractor", "crop_size": 224, "do_center_crop": True, "do_normalize": True, "do_resize": True, "image_mean": OPENAI,
                 "image_std": OPENAI_STD, "resample": 3, "size": 224}, "clip"),
    (1, "clip", {"image_processor_type": "CLIPImageProcessor", "size": {"shortest_edge": 250}, "crop_size": {"height": 224, "width": 224}, "resample": 2, "image_mean": HALF,
                 "image_std": IMAGENET_STD, "rescale_factor": 0.00392156862745098}, None),
    (1, "clip", {"image_processor_type": "CLIPImageProcessorFast", "do_normalize": False}, None),
    (1, "vit-timm", {"image_processor_type": "ViTImageProcessor", "size": {"height": 224, "width": 224}}, "vit"),
    (1, "vit", {"image_processor_type": "ViTImageProcessor", "size": 224, "resample": 3, "image_mean": IMAGENET, "image_std": IMAGENET_STD}, None),
    (1, "vit", {"feature_extractor_type": "DeiTFeatureExtractor", "size": 256, "crop_size": 224, "do_center_crop": True, "resample": 3, "image_mean": IMAGENET, "image_std": IMAGENET_STD}, None),
    (1, "vit", {"image_processor_type": "BitImageProcessor", "size": {"shortest_edge": 256}, "crop_size": {"height": 224, "width": 224}, "do_center_crop": True, "resample": 3,
                "image_mean": IMAGENET, "image_std": IMAGENET_STD}, None),
    (1, "vit", {"image_processor_type": "SiglipImageProcessor", "size": {"height": 224, "width": 224}, "resample": 3, "image_mean": HALF, "image_std": HALF}, None),
    (2, "clip", {"mean": OPENAI, "std": OPENAI_STD, "interpolation": "bicubic", "resize_mode": "shortest", "size": 224}, "clip-openai"),
    (2, "clip", {"mean": HALF, "std": HALF, "interpolation": "bicubic", "resize_mode": "squash", "size": [224, 224]}, None),
    (2, "clip", {"resize_mode": "squash"}, "clip-squash"),
    (2, "clip", {"mean": IMAGENET, "std": IMAGENET_STD, "interpolation": "bilinear"}, None),
]
REFUSED = [
    (0, {"crop_mode": "border"}, "crop_mode border"), (0, {"interpolation": "lanczos"}, "interpolation lanczos"), (0, {"interpolation": "random"}, "interpolation random"),
    (0, {"input_size": [3, 224, 192]}, "input_size that is no square"), (0, {"input_size": [1, 224, 224]}, "'input_size'"), (0, {"crop_pct": 1.5}, "crop_pct"), (0, {"mean": [1, 2]}, "'mean'"),
    (0, {"std": [0, 1, 1]}, "'std'"), (0, {"crop_border_pixels": 4}, "crop_border_pixels"), (0, {"crop_pct": 1e-9}, "at most 4096"), (0, {"input_size": [3, 1e9, 1e9]}, "'input_size'"),
    (1, {"image_processor_type": "ConvNextImageProcessor", "crop_pct": 0.875}, "image_processor_type ConvNextImageProcessor"), (1, {"resample": 1}, "resample lanczos"),
    (1, {"resample": 77}, "resample"), (1, {"rescale_factor": 1 / 127.5}, "rescale_factor"), (1, {"do_rescale": False}, "do_rescale false"), (1, {"do_pad": True}, "do_pad"),
    (1, {"size": {"longest_edge": 224}}, "longest edge"), (1, {"size": {"height": 224, "width": 200}}, "no square"), (1, {"do_center_crop": False}, "do_center_crop false"),
    (1, {"crop_size": 300}, "larger than the resized picture"), (1, {"size": {"shortest_edge": -3}}, "'size'"), (1, {"size": "big"}, "'size'"), (1, {"image_mean": "x"}, "'image_mean'"),
    (2, {"resize_mode": "longest"}, "resize_mode longest"), (2, {"interpolation": "nearest"}, "interpolation nearest"), (2, {"mode": "L"}, "mode L"), (2, {"size": [224, 336]}, "no square"),
]

if __name__ == "__main__":
    lines = []
    for by, base, config, like in CASES:
        out, run = [], RUN[by](config)
        for seed, (w, h) in enumerate(SIZES, 1):
            x = np.ascontiguousarray(run(picture(w, h, seed)), "<f4")
            assert x.shape[0] == x.shape[1] and x.shape[2] == 3, (config, x.shape)
            out.append([w, h, seed, hashlib.sha256(x.tobytes()).hexdigest()])
        lines.append({"by": by, "base": base, "config": config, "like": like, "side": x.shape[0], "pictures": out})
    lines += [{"by": by, "base": "clip", "config": config, "refused": word} for by, config, word in REFUSED]
    with open(sys.argv[1], "w") as f:
        f.write("[" + ",\n".join(map(json.dumps, lines)) + "]\n")
