import { viewOf, type ViewName } from '../components/shell/views.ts';
import { useChartView } from '../stores/chart-view.ts';
import { useCheckpoints } from '../stores/checkpoints.ts';
import { useDataset } from '../stores/dataset.ts';
import { useOverlay } from '../stores/overlay.ts';
import { usePreferences } from '../stores/preferences.ts';
import { useQueue } from '../stores/queue.ts';
import { useRecipeCheck } from '../stores/recipe-check.ts';
import { useRecipeStart } from '../stores/recipe-start.ts';
import { useRecipe } from '../stores/recipe.ts';
import { useRun } from '../stores/run.ts';
import { useSystem } from '../stores/system.ts';
import { useWeightUses } from '../stores/weight-uses.ts';
import { useWeights } from '../stores/weights.ts';

/** The stores that commands look at and act on. */
export interface Context {
  chart: ReturnType<typeof useChartView>;
  checkpoints: ReturnType<typeof useCheckpoints>;
  dataset: ReturnType<typeof useDataset>;
  overlay: ReturnType<typeof useOverlay>;
  preferences: ReturnType<typeof usePreferences>;
  queue: ReturnType<typeof useQueue>;
  recipe: ReturnType<typeof useRecipe>;
  check: ReturnType<typeof useRecipeCheck>;
  starting: ReturnType<typeof useRecipeStart>;
  run: ReturnType<typeof useRun>;
  system: ReturnType<typeof useSystem>;
  weightUses: ReturnType<typeof useWeightUses>;
  weights: ReturnType<typeof useWeights>;
  go: (view: ViewName) => void;
}

/** Returns the stores of this window. */
export function useContext(): Context {
  return {
    chart: useChartView(),
    checkpoints: useCheckpoints(),
    dataset: useDataset(),
    overlay: useOverlay(),
    preferences: usePreferences(),
    queue: useQueue(),
    recipe: useRecipe(),
    check: useRecipeCheck(),
    starting: useRecipeStart(),
    run: useRun(),
    system: useSystem(),
    weightUses: useWeightUses(),
    weights: useWeights(),
    go: (view) => {
      if (viewOf(window.location.hash) !== view || !window.location.hash) window.location.hash = `#/${view}`;
    },
  };
}
