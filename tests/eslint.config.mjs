import vue from 'eslint-plugin-vue';
import tseslint from 'typescript-eslint';

/**
 * What oxlint cannot read of the window's components: templates, and which names they use. All other sources are its own,
 * and so are the rules that need types in a component's script (`.oxlintrc.json`, `src-main/setup/vue-checks.mjs`).
 */
const off = (rules) => Object.fromEntries(rules.map((rule) => [rule, 'off']));

const FOREIGN = { group: ['node:*', 'electron', '@tensorflow/*', 'koffi'], message: 'Not in this environment.' };
const SERVICE = { group: ['**/use-service.ts'], message: 'Components take props; stores ask the service.' };

export default tseslint.config(
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  {
    files: ['src-renderer/**/*.vue'],
    extends: [tseslint.configs.recommended, vue.configs['flat/recommended']],
    languageOptions: {
      parserOptions: { parser: tseslint.parser, extraFileExtensions: ['.vue'] },
    },
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/consistent-type-imports': ['error', { disallowTypeAnnotations: false }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      'no-undef': 'off',
      eqeqeq: 'error',
      'no-console': 'error',
      'no-eval': 'error',
      'no-implied-eval': 'error',
      'no-var': 'error',
      'prefer-const': 'error',
      'no-restricted-imports': ['error', { patterns: [FOREIGN] }],
      'no-restricted-globals': ['error', 'process', 'Buffer', 'require', 'global', '__dirname'],
      'vue/no-v-html': 'error',
      // Layout belongs to the formatter.
      ...off(['html-indent', 'html-self-closing', 'html-closing-bracket-newline'].map((rule) => `vue/${rule}`)),
      ...off(['max-attributes-per-line', 'singleline-html-element-content-newline'].map((rule) => `vue/${rule}`)),
      ...off(['vue/multiline-html-element-content-newline']),
    },
  },
  {
    files: ['src-renderer/components/**/*.vue'],
    rules: { 'no-restricted-imports': ['error', { patterns: [FOREIGN, SERVICE] }] },
  },
);
