import { basename } from 'node:path';
import { countParameters } from '../model/model.ts';
import type { EpochRow, HeadScore } from '../protocol/events.ts';
import { nearestPreset } from '../protocol/preset-recipe.ts';
import { flagOf, type Recipe } from '../protocol/recipe.ts';
import { VERSION } from '../protocol/version.ts';
import { readHistory } from './history.ts';
import { openRun, type RunFile } from './run-folder.ts';
import type { NetworkToWrite } from './export-network.ts';
import { teacherLabel } from './teacher-kind.ts';

/** A model card in Markdown, as the Hugging Face hub shows it: filled from the run, with gaps that a person fills. */

/** Holds what a card can say beside the network. */
export interface CardSource {
  /** The run folder; null for weights from elsewhere. */
  run: string | null;
  /** The weight file. */
  file: string;
  /** By its identifier, such as `apache-2.0`; '' where nobody has said. */
  licence: string;
}

/** Writes the card of a network. */
export function modelCard(network: NetworkToWrite, source: CardSource): string {
  const run = source.run === null ? null : openRun(source.run);
  const parts = [
    frontMatter(source, run),
    `# ${network.model.name}${run ? `, trained on ${basename(run.dataPath)}` : ''}`,
    aboutNetwork(network),
    section('Intended use', GAP('who should use it for what, and who should not')),
    section('Data', dataOf(run, network)),
    ...(run && source.run !== null ? trainedSections(run, source.run, network) : []),
    section('Images', imagesOf(network)),
    section(
      'Where it is from',
      `Exported by Stillhouse ${VERSION} from \`${basename(source.file)}\`${stoodAt(network)}.`,
    ),
  ];
  return `${parts.join('\n\n')}\n`;
}

const GAP = (what: string): string => `<!-- Please fill in: ${what}. -->\n*To be filled in by whoever publishes it.*`;

function frontMatter({ licence }: CardSource, run: RunFile | null): string {
  const lines = [
    licence ? `license: ${licence}` : '# license: please choose one, such as apache-2.0 or cc-by-4.0',
    'library_name: timm',
    'pipeline_tag: image-classification',
    'tags:',
    '- image-classification',
    '- stillhouse',
    ...(run && teacherLabel(run.recipe) ? ['- distillation'] : []),
  ];
  return ['---', ...lines, '---'].join('\n');
}

function section(title: string, text: string): string {
  return `## ${title}\n\n${text}`;
}

function aboutNetwork({ model, stood }: NetworkToWrite): string {
  const parameters = (countParameters(model.specs) / 1e6).toFixed(2);
  const average = stood?.average ? ' These weights are the moving average of the model.' : '';
  return `An image classifier of ${model.classes} classes with ${parameters} million parameters.${average}`;
}

function dataOf(run: RunFile | null, { classes, model }: NetworkToWrite): string {
  const names = classes?.slice(0, 20).map((name) => `\`${name}\``);
  const rest = classes && classes.length > 20 ? ` and ${classes.length - 20} more` : '';
  const listed = names ? `${model.classes} classes: ${names.join(', ')}${rest}.` : `${model.classes} classes; nobody has named them.`; // prettier-ignore
  const folder = run ? `Trained on the folder \`${basename(run.dataPath)}\`. ` : '';
  return `${folder}${listed}\n\n${GAP('where the images are from, and under which terms')}`;
}

function trainedSections(run: RunFile, folder: string, network: NetworkToWrite): string[] {
  const row = rowOf(folder, network);
  return [
    section('Training', trainingOf(run.recipe, run.engine)),
    ...(row ? [section('Accuracy', accuracyOf(row, network))] : []),
  ];
}

function trainingOf(recipe: Recipe, engine: string): string {
  const { preset, changed } = nearestPreset(recipe);
  const label = teacherLabel(recipe);
  const teacher = label ? `${recipe.distillationType} distillation from \`${label}\`` : 'no teacher';
  const rows = changed.map(({ field, usual }) => `| ${field.label} (\`--${flagOf(field.key)}\`) | ${shown(usual)} | ${shown(recipe[field.key])} |`); // prettier-ignore
  const from = preset.published ? ` (${preset.published.settings})` : '';
  const differences =
    rows.length === 0
      ? 'It differs in nothing.'
      : ['It differs in:', '', '| setting | preset | this run |', '|---|---|---|', ...rows].join('\n');
  return [
    `${recipe.epochs} epochs, ${teacher}, by ${engine}.`,
    `The nearest preset is \`${preset.id}\`${from}. ${differences}`,
  ].join('\n\n');
}

function shown(value: Recipe[keyof Recipe]): string {
  return value === '' ? '–' : String(value).replaceAll('|', '\\|');
}

/** The scores of the epoch at whose end the checkpoint was written; null within an epoch, and where they are gone. */
function rowOf(folder: string, { stood }: NetworkToWrite): EpochRow | null {
  const rows = readHistory(folder).filter((row): row is EpochRow => row.type === 'epoch');
  return rows.reverse().find(({ step }) => step === stood?.step) ?? null;
}

function accuracyOf(row: EpochRow, { stood, model }: NetworkToWrite): string {
  const line = (name: string, { acc1, acc5, loss }: HeadScore): string =>
    `| ${name} | ${acc1.toFixed(2)} % | ${acc5.toFixed(2)} % | ${loss.toFixed(4)} |`;
  const { test, testEma, classHead, distillationHead } = row;
  const scores = stood?.average
    ? [...(testEma ? [line('moving average', testEma)] : [])]
    : [
        line(distillationHead ? 'both heads' : 'class head', test),
        ...(distillationHead ? [line('class head', classHead), line('distillation head', distillationHead)] : []),
      ];
  const agreement = row.agreement === null || stood?.average ? '' : `\n\nStudent and teacher decide alike on ${row.agreement.toFixed(2)} % of the images.`; // prettier-ignore
  const head = ['| decided by | top-1 | top-5 | loss |', '|---|---|---|---|'];
  const about = `On the validation images of the data above, after epoch ${row.epoch + 1}, at ${model.inputSize} px.`;
  return `${[about, '', ...head, ...scores].join('\n')}${agreement}`;
}

function imagesOf({ prepared }: NetworkToWrite): string {
  const { inputSize, inputWidth = inputSize, cropRatio, interpolation, mean, std } = prepared;
  const edge = Math.trunc(Math.max(inputSize, inputWidth) / cropRatio);
  return (
    `RGB. The shorter edge is resized to ${edge} px (${interpolation}), ${inputSize} × ${inputWidth} px ` +
    `(height × width) are cut from the middle, divided by 255, and normalised by mean ${mean.join(', ')} and std ${std.join(', ')}.`
  );
}

function stoodAt({ stood }: NetworkToWrite): string {
  return stood ? `, epoch ${stood.epoch + 1}, step ${stood.step}` : '';
}
