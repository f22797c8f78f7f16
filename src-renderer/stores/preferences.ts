import { defineStore } from 'pinia';
import { computed, ref, watch } from 'vue';
import { isRecord, keep, readKept } from './kept.ts';

export const THEMES = ['system', 'light', 'dark'] as const;
export const LOCALES = ['en', 'zh-CN'] as const;
export const X_AXES = ['step', 'epoch', 'time'] as const;
export type Theme = (typeof THEMES)[number];
export type Locale = (typeof LOCALES)[number];
export type XAxis = (typeof X_AXES)[number];

interface Kept {
  theme: Theme;
  locale: Locale;
  xAxis: XAxis;
  /** Weight of the moving average, 0 to 0.999; applied while `smooth` is on. */
  smoothing: number;
  smooth: boolean;
  allSettings: boolean;
  /** Tell of runs that end while the window is not looked at. */
  notify: boolean;
  /** Let the machine not sleep while it trains. */
  keepAwake: boolean;
}

/** How the window looks and reads: theme, language and chart habits, kept between starts. */
export const usePreferences = defineStore('preferences', () => {
  const kept = readKept('preferences', {}, isRecord);
  const theme = ref(oneOf(THEMES, kept['theme'], 'system'));
  const locale = ref(oneOf(LOCALES, kept['locale'], preferredLocale()));
  const xAxis = ref(oneOf(X_AXES, kept['xAxis'], 'step'));
  const smoothing = ref(typeof kept['smoothing'] === 'number' ? Math.min(0.999, Math.max(0, kept['smoothing'])) : 0.6);
  const smooth = ref(kept['smooth'] !== false);
  const allSettings = ref(kept['allSettings'] === true);
  const notify = ref(kept['notify'] !== false);
  const keepAwake = ref(kept['keepAwake'] !== false);

  const systemDark = ref(false);
  if (typeof matchMedia === 'function') {
    const query = matchMedia('(prefers-color-scheme: dark)');
    systemDark.value = query.matches;
    query.addEventListener('change', () => (systemDark.value = query.matches));
  }
  const dark = computed(() => (theme.value === 'system' ? systemDark.value : theme.value === 'dark'));

  watch([theme, locale, xAxis, smoothing, smooth, allSettings, notify, keepAwake], () =>
    keep('preferences', {
      theme: theme.value,
      locale: locale.value,
      xAxis: xAxis.value,
      smoothing: smoothing.value,
      smooth: smooth.value,
      allSettings: allSettings.value,
      notify: notify.value,
      keepAwake: keepAwake.value,
    } satisfies Kept),
  );
  return { theme, locale, xAxis, smoothing, smooth, allSettings, notify, keepAwake, dark };
});

function oneOf<Choice extends string>(choices: readonly Choice[], value: unknown, fallback: Choice): Choice {
  return choices.find((choice) => choice === value) ?? fallback;
}

function preferredLocale(): Locale {
  return typeof navigator !== 'undefined' && /^zh\b/i.test(navigator.language ?? '') ? 'zh-CN' : 'en';
}
