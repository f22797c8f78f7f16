import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { textFile, type FileToWrite } from '../../base/folder.ts';
import type { Graph } from '../../exports/graph.ts';
import { writeOnnx } from '../../exports/onnx-writer.ts';
import type { NetworkToWrite } from '../../runs/export-network.ts';
import { demoPage, type DemoFacts } from './demo-page.ts';
import { LICENCE } from './demo-licence.ts';

/** Demos: the network, its class names and ONNX Runtime for browsers in one page, or in a folder for a web server. */

/** Files of onnxruntime-web: its script with the loader inside, and its program for processors. */
const [SCRIPT, WASM] = ['ort.wasm.bundle.min.mjs', 'ort-wasm-simd-threaded.wasm'];
/** Stands in the page where bytes go. */
const MARK = '\u0000';

/** Makes one file that opens from the disk: everything is in it as text. */
export function demoFile(network: NetworkToWrite, graph: Graph, name: string): FileToWrite {
  const element = (id: string): string => `<script type="text/plain" id="${id}">${MARK}</script>`;
  const page = demoPage({
    facts: factsOf(network, graph),
    data: `${element('wasm')}\n${element('model')}`,
    begin: `${inlined(runtimeFile(SCRIPT).toString('utf8'))}\n${FROM_PAGE}`,
    licence: LICENCE,
  });
  const [model, wasm] = [modelOf(graph), runtimeFile(WASM)];
  const texts = page.split(MARK).map((text) => Buffer.from(text));
  const sizes = [...texts.map(({ length }) => length), base64Length(wasm.length), base64Length(model.bytes)];
  function* chunks(): Generator<Uint8Array> {
    yield texts[0];
    yield* base64([wasm]);
    yield texts[1];
    yield* base64(model.chunks());
    yield texts[2];
  }
  return { name, bytes: sizes.reduce((sum, size) => sum + size, 0), chunks };
}

/** Lists the files of a folder for a web server. */
export function demoFolder(network: NetworkToWrite, graph: Graph): FileToWrite[] {
  const page = demoPage({ facts: factsOf(network, graph), data: '', begin: FROM_SERVER, licence: LICENCE });
  const copied = [SCRIPT, WASM].map((name): FileToWrite => {
    const content = runtimeFile(name);
    return { name, bytes: content.length, chunks: () => [content] };
  });
  return [textFile('index.html', page), modelOf(graph), ...copied, textFile('LICENSE-onnxruntime.txt', LICENCE)];
}

/** A graph whose attention is an output too: [B, heads, tokens that ask, tokens] of each block. */
function withAttention(graph: Graph): { graph: Graph; attention: string[] } {
  const nodes = graph.nodes.flatMap(({ op, shape }, node) => (op === 'Softmax' && shape.length === 4 ? [node] : []));
  const outputs = nodes.map((node, block) => ({ name: `attention_${block}`, node }));
  return { graph: { ...graph, outputs: [graph.outputs[0], ...outputs] }, attention: outputs.map(({ name }) => name) };
}

function modelOf(graph: Graph): FileToWrite {
  const options = { precision: 'float32', input: 'pixel_values', metadata: {}, name: 'model' } as const;
  return writeOnnx(withAttention(graph).graph, options)[0];
}

function factsOf({ model, classes, prepared }: NetworkToWrite, graph: Graph): DemoFacts {
  const { height, width, mean, std } = graph;
  const patch = model.specs.find(({ name }) => name === 'patch_embed.proj.weight')?.shape[2] ?? 1;
  const names = classes ?? Array.from({ length: model.classes }, (_, label) => String(label));
  return {
    ...{ architecture: model.name, classes: names, height, width, mean, std, patch },
    ...{ cropRatio: prepared.cropRatio, interpolation: prepared.interpolation },
    edge: Math.trunc(Math.max(height, width) / prepared.cropRatio),
    attention: withAttention(graph).attention,
    tokens: model.distilled ? ['class', 'distillation'] : ['class'],
  };
}

function runtimeFile(name: string): Buffer {
  const main = createRequire(import.meta.url).resolve('onnxruntime-web');
  return readFileSync(join(dirname(main), name));
}

/** The module without its exports, and `ort` in their place: a page on the disk may import no module. */
function inlined(script: string): string {
  const [whole, list] = /export\{([^}]*)\};?\s*(\/\/# sourceMappingURL=\S*\s*)?$/.exec(script) ?? [];
  if (whole === undefined) throw new Error('inlined: the script of onnxruntime-web ends otherwise than expected');
  const names = list.split(',').map((pair) => pair.trim().split(' as '));
  const members = names.filter(([, name]) => name !== 'default').map(([own, name = own]) => `${name}:${own}`);
  return `${script.slice(0, -whole.length).replaceAll('</script', '<\\/script')}const ort={${members.join()}};`;
}

// In a loop: a call for each of millions of bytes takes seconds.
const FROM_PAGE = `async function bytesOf(id) {
  const text = atob(document.getElementById(id).textContent);
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at);
  return bytes;
}`;

const FROM_SERVER = `import * as ort from './${SCRIPT}';
async function bytesOf(name) {
  const answer = await fetch(name === 'wasm' ? './${WASM}' : './model.onnx');
  if (!answer.ok) throw new Error(answer.url + ': ' + answer.status);
  return new Uint8Array(await answer.arrayBuffer());
}`;

function base64Length(bytes: number): number {
  return 4 * Math.ceil(bytes / 3);
}

/** Encodes pieces as one text: what is left of three bytes goes to the next piece. */
function* base64(pieces: Iterable<Uint8Array>): Generator<Uint8Array> {
  let rest = new Uint8Array();
  for (const piece of pieces) {
    const joined = Buffer.concat([rest, piece]);
    const whole = joined.length - (joined.length % 3);
    yield Buffer.from(joined.toString('base64', 0, whole));
    rest = joined.subarray(whole);
  }
  yield Buffer.from(Buffer.from(rest).toString('base64'));
}
