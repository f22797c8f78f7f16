import './polyfills.ts';
import { createPinia } from 'pinia';
import { createApp } from 'vue';
import App from './App.vue';
import { clientKey, keepConnected } from './client/connect.ts';
import { currentShell } from './client/shell.ts';
import { createTranslations } from './i18n/index.ts';
import './styles/tokens.css';
import './styles/base.css';
import './styles/controls.css';
import './styles/forced-colors.css';

createApp(App)
  .use(createPinia())
  .use(createTranslations())
  .provide(clientKey, keepConnected(currentShell()))
  .mount('#app');
