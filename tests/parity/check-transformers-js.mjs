/**
 * Asks transformers.js about an image by Hugging Face folders, offline, in each type of number; not run by npm test.
 *
 *     npm install --prefix SCRATCH @huggingface/transformers@4.3.2
 *     stillhouse export --checkpoint FILE --format huggingface --output MODELS/NAME
 *     node tests/parity/check-transformers-js.mjs SCRATCH MODELS IMAGE NAME...
 */
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const [scratch, models, image, ...names] = process.argv.slice(2);
const installed = createRequire(join(resolve(scratch), 'package.json')).resolve('@huggingface/transformers');
const library = await import(pathToFileURL(installed).href);
const { env, pipeline } = library.pipeline ? library : library.default;
env.localModelPath = `${resolve(models)}/`;
env.allowRemoteModels = false;
for (const name of names)
  for (const dtype of ['fp32', 'fp16', 'q8']) {
    const classify = await pipeline('image-classification', name, { dtype });
    console.log(name, dtype, JSON.stringify(await classify(image, { top_k: 3 })));
  }
