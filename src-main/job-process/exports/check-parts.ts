import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { CheckExportJob } from '../../jobs/job-protocol.ts';
import { StillhouseError, toPlainError } from '../../protocol/errors.ts';
import type { ExportCheck } from '../../protocol/export.ts';
import { readManifest } from '../../runs/export-manifest.ts';
import { readGraphExport, type GraphExport } from '../../weights/graph-export.ts';
import type { JobContext } from '../job-context.ts';
import { checkGraph } from './check-graph.ts';
import type { CheckedAgainst } from './compare-on-images.ts';

/** Reports the graphs in a folder of weights. */
export type PartFindings = Required<Pick<ExportCheck, 'parts' | 'problems' | 'warnings'>>;

/** Lists the graphs that lie beside the weights of a folder, as paths in it: those that it says it has, else those it has. */
function partsOf(folder: string): string[] {
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) return [];
  const inside = join(folder, 'onnx');
  const found = existsSync(inside) ? readdirSync(inside).map((name) => `onnx/${name}`) : [];
  const named = readManifest(folder)?.files ?? found;
  return named.filter((name) => /^onnx\/[^/\\]+\.onnx$/i.test(name)).sort();
}

/** Checks each graph beside the weights of a folder as {@link checkGraph} does. Null when stopped. */
export async function checkParts(
  job: CheckExportJob,
  against: CheckedAgainst,
  context: JobContext,
): Promise<PartFindings | null> {
  const findings: PartFindings = { parts: [], problems: [], warnings: [] };
  for (const file of partsOf(job.path)) {
    const found = await checkPart({ ...job, path: join(job.path, file) }, against, context);
    if (!found) return null;
    const { problems, warnings = [], answers, alone = null, latency, runtime } = found;
    findings.parts.push({ ...{ file, answers, alone, latency, bytes: bytesAt(join(job.path, file)) }, runtime });
    findings.problems.push(...problems);
    findings.warnings.push(...warnings);
  }
  return findings;
}

type Findings = Pick<ExportCheck, 'answers' | 'alone' | 'latency' | 'runtime' | 'problems' | 'warnings'>;

/** What keeps a graph from being read is a finding. */
async function checkPart(job: CheckExportJob, against: CheckedAgainst, context: JobContext): Promise<Findings | null> {
  let graph: GraphExport;
  try {
    graph = readGraphExport(job.path, 'onnx');
  } catch (error) {
    if (!(error instanceof StillhouseError)) throw error;
    return { answers: null, latency: [], problems: [toPlainError(error)] };
  }
  return checkGraph(job, against, graph, context);
}

function bytesAt(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
