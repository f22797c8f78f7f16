import { version } from '../../package.json';

/** Of Stillhouse, as `1.2.3`. */
export const VERSION: string = version;
