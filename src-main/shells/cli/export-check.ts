import {
  hasPassed,
  type AnswerComparison,
  type CheckedPart,
  type ExportCheck,
  type Latency,
} from '../../protocol/export.ts';
import { bytes } from './progress.ts';

/** Writes a check of an export as a table for people. */
export function checkText(check: ExportCheck): string {
  const { model, classes, parameters, answers, alone, latency, problems, warnings = [], parts = [] } = check;
  const verdict = hasPassed(check) ? 'passed' : 'FAILED';
  return [
    row('check', verdict),
    row('file', `${check.path} (${bytes(check.bytes)})`),
    row('compared with', `${check.checkpoint}${check.average ? ' (moving average)' : ''}`),
    row('network', `${model}, ${parameters.toLocaleString('en')} parameters, ${classes} classes`),
    row('images', preparation(check)),
    ...(answers ? answerRows(check.data, answers) : []),
    ...(alone ? [row('each image alone', differenceText(alone))] : []),
    ...latency.map((one) => row(`batch of ${one.batch}`, timeText(one))),
    ...(latency.length > 0 ? [row('computed by', computedBy(check))] : []),
    ...parts.flatMap(partRows),
    ...problems.map(({ message }) => row('problem', message)),
    ...warnings.map(({ message }) => row('warning', message)),
  ].join('\n');
}

function computedBy({ runtime, device, threads }: ExportCheck): string {
  return [runtime, device, `${threads} threads`].filter(Boolean).join(', ');
}

/** A graph beside the weights of a folder. */
function partRows({ file, bytes: size, answers, alone, latency, runtime }: CheckedPart): string[] {
  return [
    `${file}: ${bytes(size)}${runtime ? `, run by ${runtime}` : ''}`,
    ...(answers ? [row('  in a batch', differenceText(answers))] : []),
    ...(alone ? [row('  alone', differenceText(alone))] : []),
    ...latency.map((one) => row(`  batch of ${one.batch}`, timeText(one))),
  ];
}

function differenceText({ max, mean, agreement, acc1 }: AnswerComparison): string {
  const logits = `${max?.toPrecision(3) ?? 'NaN'} at most, ${mean?.toPrecision(3) ?? 'NaN'} in the mean`;
  return `${logits}; same decision ${agreement.toFixed(2)} %; Acc@1 ${acc1.exported.toFixed(2)}`;
}

function preparation({ preprocessing }: ExportCheck): string {
  if (!preprocessing) return 'the file does not say how to prepare them';
  const { inputSize, inputWidth, cropRatio, interpolation, mean, std } = preprocessing;
  return `${inputSize}${inputWidth ? ` × ${inputWidth}` : ''} px, crop ${cropRatio}, ${interpolation}, mean ${mean.join(' ')}, std ${std.join(' ')}`;
}

function answerRows(data: string, answers: NonNullable<ExportCheck['answers']>): string[] {
  const { images, skipped, max, mean, agreement, acc1 } = answers;
  return [
    row('compared on', `${images} images of ${data}${skipped > 0 ? `, ${skipped} could not be read` : ''}`),
    row('logits differ by', `${max?.toPrecision(3) ?? 'NaN'} at most, ${mean?.toPrecision(3) ?? 'NaN'} in the mean`),
    row('same decision', `${agreement.toFixed(2)} %`),
    row('Acc@1', `${acc1.exported.toFixed(2)} exported, ${acc1.checkpoint.toFixed(2)} checkpoint`),
  ];
}

function timeText({ median, p90, imagesPerSecond, runs }: Latency): string {
  return `${median.toFixed(1)} ms median, ${p90.toFixed(1)} ms p90, ${imagesPerSecond.toFixed(1)} images/s (${runs} runs)`;
}

function row(name: string, value: string): string {
  return `${name.padEnd(18)}${value}`;
}
