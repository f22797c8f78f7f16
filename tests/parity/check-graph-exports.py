"""Reads every export of every family as others would, and notes what each program says to it.

    STILLHOUSE_WRITE_EXPORTS=FOLDER npm run unit -- tests/parity/graph-exports.test.ts
    pip install onnx==1.23.2 onnxruntime==1.32.0 openvino==2026.4.1 tensorflow-cpu==2.21.* ai-edge-litert==2.3.0
    python tests/parity/check-graph-exports.py FOLDER

writes tests/parity/graph-exports.json: for each file its SHA-256 and, by program, the greatest difference of its
logits from those of the engine, divided by the greatest logit. graph-exports.test.ts holds the files to it.
"""

import json
import os
import sys
import tempfile

os.environ['TF_CPP_MIN_LOG_LEVEL'] = '3'
import numpy as np
import onnx
import onnxruntime
import openvino
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

folder = sys.argv[1]
core = openvino.Core()


def error(got, expected):
    got, expected = np.asarray(got, np.float64), np.asarray(expected, np.float64)
    assert got.shape == expected.shape, (got.shape, expected.shape)
    return float(np.abs(got - expected).max() / np.abs(expected).max())


def onnx_answers(path, given):
    model = onnx.load(path)
    onnx.checker.check_model(path, full_check=True)
    assert {o.domain for o in model.opset_import} == {''} and all(n.domain == '' for n in model.graph.node)
    session = onnxruntime.InferenceSession(path)
    name = session.get_inputs()[0].name
    facts = session.get_modelmeta().custom_metadata_map
    assert facts['producer'] == 'stillhouse' and facts['input'] == name, facts
    whole = session.run(['logits'], {name: given})[0]
    alone = np.concatenate([session.run(['logits'], {name: given[i : i + 1]})[0] for i in range(len(given))])
    return {'onnxruntime': whole, 'onnxruntime alone': alone, 'openvino': openvino_answers(path, given)}


def openvino_answers(path, given):
    compiled = core.compile_model(path, 'CPU', {'INFERENCE_PRECISION_HINT': 'f32'})
    output = next(o for o in compiled.outputs if any(n.startswith('logits') for n in o.get_names()))
    return np.array(compiled(given)[output])


def saved_model_answers(path, pixels, normalised):
    loaded = tf.saved_model.load(path)
    default = loaded.signatures['serving_default'](images=tf.constant(pixels))
    second = loaded.signatures['normalised'](pixel_values=tf.constant(normalised))
    assert default['logits'].shape[1:] == second['logits'].shape[1:]
    return {
        'tf.saved_model': default['logits'].numpy(),
        'tf.saved_model normalised': second['logits'].numpy(),
        'tflite': tflite_answers(path, pixels),
        'openvino': openvino_answers(path, pixels),
    }


def tflite_answers(path, pixels):
    converter = tf.lite.TFLiteConverter.from_saved_model(path, signature_keys=['serving_default'])
    interpreter = Interpreter(model_content=converter.convert())
    ops = {one['op_name'] for one in interpreter._get_ops_details()}
    assert not any(op.startswith('Flex') for op in ops), ops
    return interpreter.get_signature_runner('serving_default')(images=pixels)['logits']


results = {}
for one in json.load(open(f'{folder}/exports.json')):
    family, variant, shape = one['family'], one['variant'], one['shape']
    path = f'{folder}/{family}/{variant}'
    images = np.fromfile(f'{folder}/{family}/images.bin', np.float32).reshape(shape)
    logits = np.fromfile(f'{folder}/{family}/logits.bin', np.float32).reshape(3, one['classes'])
    mean, std = np.float32(one['mean']), np.float32(one['std'])
    pixels = np.clip(255 * (images * std + mean), 0, 255).astype(np.uint8)
    normalised = ((pixels / np.float32(255) - mean) / std).astype(np.float32)
    first = lambda x: np.ascontiguousarray(x.transpose(0, 3, 1, 2))
    if variant == 'saved-model':
        # Bytes cannot hold every image: what onnxruntime says to the same ones is the measure.
        session = onnxruntime.InferenceSession(f'{folder}/{family}/onnx/model.onnx')
        expected = session.run(['logits'], {'pixel_values': first(normalised)})[0]
        answers = saved_model_answers(path, pixels, normalised)
    elif variant == 'onnx-images':
        session = onnxruntime.InferenceSession(f'{folder}/{family}/onnx/model.onnx')
        expected = session.run(['logits'], {'pixel_values': first(normalised)})[0]
        answers = onnx_answers(f'{path}/model.onnx', pixels)
    else:
        expected = logits
        answers = onnx_answers(f'{path}/model.onnx', first(images))
    found = {program: float(f'{error(answer, expected):.2e}') for program, answer in answers.items()}
    results.setdefault(family, {})[variant] = {'sha256': one['sha256'], 'differences': found}
    print(family, variant, found, flush=True)

versions = {m.__name__: m.__version__ for m in (onnx, onnxruntime, openvino, tf)}
out = os.path.join(os.path.dirname(__file__), 'graph-exports.json')
json.dump({'versions': versions, 'exports': results}, open(out, 'w'), indent=1)
open(out, 'a').write('\n')
