#!/usr/bin/env python3
"""Annotation files of train2017's true size from nothing: gen_coco_large.py DIR [IMAGES]. 118,287 images, 591,753 captions, 860,001 instances with polygons
(instances_train2017.json: about 470 MB; captions_train2017.json: about 90 MB). Seeded; the numbers are noise, the shape is COCO's."""
import json, random, sys

out, images = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 118287
r = random.Random(7)
ids = sorted(r.sample(range(1, 600000), images))
header = {"info": {"description": "generated, train2017's shape", "version": "1.0"}, "licenses": [{"id": 1, "name": "none", "url": "http://example.org/"}]}
image_list = [{"license": 1, "file_name": "%012d.jpg" % i, "coco_url": "http://images.cocodataset.org/train2017/%012d.jpg" % i, "height": 480, "width": 640,
               "date_captured": "2013-11-14 11:18:45", "flickr_url": "http://farm9.staticflickr.com/8186/8119368305_4e622c8349_z.jpg", "id": i} for i in ids]
words = "a man riding wave on top of surfboard the two dogs are sitting next to each other in grass near large white building".split()


def write(name, annotations, extra):
    with open("%s/%s_train2017.json" % (out, name), "w") as f:
        f.write(json.dumps(header)[:-1] + ', "images": ' + json.dumps(image_list) + ', "annotations": [')
        for n, a in enumerate(annotations):
            f.write(("," if n else "") + a)
        f.write("]" + (', "categories": ' + json.dumps(extra) if extra else "") + "}")


n_captions = images * 591753 // 118287
write("captions", (json.dumps({"image_id": ids[k % images], "id": k + 1, "caption": "A " + " ".join(r.choices(words, k=10)) + "."}) for k in range(n_captions)), None)
poly = [json.dumps([[round(r.uniform(0, 640), 2) for _ in range(2 * r.randint(8, 39))]]) for _ in range(997)]
n_instances = images * 860001 // 118287
write("instances", ('{"segmentation": %s,"area": %.5f,"iscrowd": 0,"image_id": %d,"bbox": [%.2f,%.2f,%.2f,%.2f],"category_id": %d,"id": %d}' % (
    poly[k % 997], r.uniform(10, 90000), ids[(k * 7919) % images], 1.5, 2.25, 100.75, 80.5, 1 + k % 80, 100000 + k) for k in range(n_instances)),
    [{"supercategory": "thing", "id": i, "name": "category %d" % i} for i in range(1, 81)])
