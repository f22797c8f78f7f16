/** The page of a demo: it classifies an image that is dropped on it, without any connection. */

/** Facts that the page reads. */
export interface DemoFacts {
  architecture: string;
  classes: readonly string[];
  height: number;
  width: number;
  cropRatio: number;
  interpolation: string;
  /** Length that the shorter edge of an image is resized to before its middle is cut out. */
  edge: number;
  mean: readonly number[];
  std: readonly number[];
  /** Names of the outputs with the attention of each block, in order; none for a network without attention. */
  attention: readonly string[];
  /** The tokens that look, class token first. */
  tokens: readonly string[];
  /** Side of a patch. */
  patch: number;
}

/** Parts of a page that differ between one that is a single file and one that a server sends. */
export interface DemoParts {
  facts: DemoFacts;
  /** Elements before the script, such as data as text. */
  data: string;
  /** The beginning of the module: sets `ort`, and `bytesOf` for 'wasm' and 'model'. */
  begin: string;
  licence: string;
}

/** Writes the page. */
export function demoPage({ facts, data, begin, licence }: DemoParts): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${escaped(facts.architecture)}</title>
<!--
${licence}
-->
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>${escaped(facts.architecture)}</h1>
<p id="state" role="status"></p>
<label id="drop"><input id="file" type="file" accept="image/*"><span id="ask"></span></label>
<section id="answer" hidden>
<ol id="classes"></ol>
<div id="views"></div>
<p id="note"></p>
</section>
</main>
<script type="application/json" id="facts">${JSON.stringify(facts).replaceAll('<', '\\u003c')}</script>
${data}
<script type="module">
${begin}
${SCRIPT}
</script>
</body>
</html>
`;
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}

const STYLE = `
:root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}
main{max-width:860px;margin:0 auto;padding:24px}
h1{font-size:20px;overflow-wrap:anywhere}
#drop{display:grid;place-items:center;min-height:140px;border:2px dashed #8888;border-radius:10px;cursor:pointer}
#drop:hover,#drop.over,#drop:focus-within{border-color:#0a7d5a;background:#0a7d5a18}
#drop input{position:absolute;opacity:0;width:1px;height:1px}
#classes{padding:0;list-style:none}
#classes li{display:grid;grid-template-columns:minmax(0,1fr) 4.5em;gap:8px;padding:4px 8px;margin:4px 0;border-radius:6px;background:linear-gradient(to right,#0a7d5a55 var(--part),#8881 0)}
#classes b{font-weight:500;overflow-wrap:anywhere}#classes span{text-align:right}
#views{display:grid;grid-template-columns:repeat(auto-fit,minmax(200px,1fr));gap:16px}
figure{margin:0}canvas{width:100%;border-radius:6px}figcaption,#note{font-size:14px;opacity:.75}
`;

const SCRIPT = String.raw`
const facts = JSON.parse(document.getElementById('facts').textContent);
const WORDS = {
  en: { load: 'Loading the network…', ready: 'Nothing leaves this computer.', ask: 'Drop a photo here, or choose one',
    work: 'Looking…', image: 'What the network sees', class: 'Where the class token looks',
    distillation: 'Where the distillation token looks', bad: 'This file is no image that the browser can read.',
    note: 'The browser resizes a little differently from training, so the numbers may differ slightly.',
    fail: 'The network could not be used: ' },
  zh: { load: '正在加载网络…', ready: '任何内容都不会离开这台电脑。', ask: '把照片拖到这里，或选择一张',
    work: '正在识别…', image: '网络看到的图片', class: '类别词元的注意力', distillation: '蒸馏词元的注意力',
    bad: '浏览器无法将此文件读取为图片。', note: '浏览器的缩放与训练时略有不同，因此数值可能稍有差异。',
    fail: '无法使用该网络：' },
};
const language = navigator.language.startsWith('zh') ? 'zh' : 'en';
document.documentElement.lang = language;
const words = WORDS[language];
const find = (id) => document.getElementById(id);
const say = (text) => { find('state').textContent = text; };
find('ask').textContent = words.ask;
find('note').textContent = words.note;

say(words.load);
const session = open();
session.catch((error) => say(words.fail + error.message));
async function open() {
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmBinary = await bytesOf('wasm');
  const made = await ort.InferenceSession.create(await bytesOf('model'), { executionProviders: ['wasm'] });
  say(words.ready);
  return made;
}

// The shorter edge is resized, the middle is cut.
function view(bitmap) {
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [facts.width, facts.height];
  const scale = facts.edge / Math.min(bitmap.width, bitmap.height);
  const [width, height] = [bitmap.width * scale, bitmap.height * scale];
  const context = canvas.getContext('2d', { willReadFrequently: true });
  context.imageSmoothingQuality = 'high';
  context.fillStyle = '#fff';
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(bitmap, (facts.width - width) / 2, (facts.height - height) / 2, width, height);
  return canvas;
}

function tensorOf(canvas) {
  const { data } = canvas.getContext('2d').getImageData(0, 0, facts.width, facts.height);
  const area = facts.width * facts.height;
  const values = new Float32Array(3 * area);
  for (let at = 0; at < area; at++)
    for (let channel = 0; channel < 3; channel++)
      values[channel * area + at] = (data[4 * at + channel] / 255 - facts.mean[channel]) / facts.std[channel];
  return new ort.Tensor('float32', values, [1, 3, facts.height, facts.width]);
}

function softmax(logits) {
  const most = Math.max(...logits);
  const parts = Array.from(logits, (logit) => Math.exp(logit - most));
  const sum = parts.reduce((total, part) => total + part, 0);
  return parts.map((part) => part / sum);
}

// Attention rollout (Abnar and Zuidema, 2020): heads averaged, half of each block the token itself, blocks multiplied.
function rollout(outputs) {
  const blocks = facts.attention.map((name) => outputs[name]);
  const tokens = blocks[0].dims[3];
  let rolled = Float64Array.from({ length: tokens * tokens }, (_, at) => (at % (tokens + 1) === 0 ? 1 : 0));
  for (const { data, dims: [, heads, rows] } of blocks) {
    const next = new Float64Array(rows * tokens);
    for (let row = 0; row < rows; row++)
      for (let mid = 0; mid < tokens; mid++) {
        let weight = 0;
        for (let head = 0; head < heads; head++) weight += data[(head * rows + row) * tokens + mid];
        weight = (weight / heads + (row === mid ? 1 : 0)) / 2;
        for (let to = 0; to < tokens; to++) next[row * tokens + to] += weight * rolled[mid * tokens + to];
      }
    rolled = next;
  }
  const extra = facts.tokens.length;
  return facts.tokens.map((_, token) => {
    const looks = rolled.slice(token * tokens + extra, (token + 1) * tokens);
    const sum = looks.reduce((total, look) => total + look, 0);
    return looks.map((look) => look / sum);
  });
}

function figure(canvas, caption, name) {
  const made = document.createElement('figure');
  made.dataset.view = name;
  made.append(canvas, Object.assign(document.createElement('figcaption'), { textContent: caption }));
  return made;
}

function heat(canvas, looks) {
  const [wide, high] = [facts.width / facts.patch, facts.height / facts.patch];
  const small = Object.assign(document.createElement('canvas'), { width: wide, height: high });
  const pixels = new ImageData(wide, high);
  const most = Math.max(...looks);
  looks.forEach((look, at) => pixels.data.set([0, 0, 0, 210 * (1 - look / most)], 4 * at));
  small.getContext('2d').putImageData(pixels, 0, 0);
  const shown = Object.assign(document.createElement('canvas'), { width: facts.width, height: facts.height });
  const context = shown.getContext('2d');
  context.drawImage(canvas, 0, 0);
  context.drawImage(small, 0, 0, facts.width, facts.height);
  return shown;
}

function show(canvas, outputs) {
  const probabilities = softmax(outputs.logits.data);
  const order = probabilities.map((_, label) => label).sort((one, other) => probabilities[other] - probabilities[one]);
  find('classes').replaceChildren(...order.slice(0, 5).map((label) => {
    const row = document.createElement('li');
    const percent = (100 * probabilities[label]).toFixed(1) + ' %';
    row.style.setProperty('--part', percent.replace(' ', ''));
    row.append(Object.assign(document.createElement('b'), { textContent: facts.classes[label] }),
      Object.assign(document.createElement('span'), { textContent: percent }));
    return row;
  }));
  const looks = facts.attention.length > 0 ? rollout(outputs) : [];
  find('views').replaceChildren(figure(canvas, words.image, 'image'),
    ...looks.map((look, token) => figure(heat(canvas, look), words[facts.tokens[token]], facts.tokens[token])));
  find('answer').hidden = false;
}

let newest = 0;
async function classify(file) {
  const own = ++newest;
  try {
    const loaded = await session;
    say(words.work);
    const bitmap = await createImageBitmap(file).catch(() => null);
    if (own !== newest) return;
    if (!bitmap) return say(words.bad);
    const canvas = view(bitmap);
    const outputs = await loaded.run({ pixel_values: tensorOf(canvas) });
    if (own !== newest) return;
    show(canvas, outputs);
    say(words.ready);
  } catch (error) {
    say(words.fail + error.message);
  }
}
find('file').addEventListener('change', ({ target }) => target.files[0] && void classify(target.files[0]));
for (const name of ['dragover', 'drop', 'dragleave']) addEventListener(name, (event) => {
  event.preventDefault();
  find('drop').classList.toggle('over', name === 'dragover');
  if (name === 'drop' && event.dataTransfer.files[0]) void classify(event.dataTransfer.files[0]);
});
`;
