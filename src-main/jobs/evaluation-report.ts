import { classTitle } from '../data/layout/class-titles.ts';
import type { Answering, EvaluationFacts, EvaluationReport } from '../protocol/evaluation.ts';
import type { KeptAnswers } from '../runs/evaluation-file.ts';
import { calibrationBins, classReports, confusionCells } from '../train/report.ts';

/** Reports everything about one head of an evaluation, from the answers that were kept. */
export function reportOf(facts: EvaluationFacts, answers: KeptAnswers, head: Answering): EvaluationReport {
  const { classes, kept, labels, heads } = answers;
  return {
    facts,
    head,
    classes: classReports(answers, head, classes.length).map((report, label) => ({
      name: classes[label],
      ...classTitle(classes[label]),
      ...report,
    })),
    confusion: confusionCells(answers, head),
    bins: calibrationBins(heads.get(head)!, labels, kept),
  };
}
