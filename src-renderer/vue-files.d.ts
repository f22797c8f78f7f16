/** A component, for tools that read TypeScript alone; `vue-checks.mjs` has the component itself read. */
declare module '*.vue' {
  import type { DefineComponent } from 'vue';
  const component: DefineComponent;
  export default component;
}
