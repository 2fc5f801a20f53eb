/** Serves the dashboards and Grafana's icons beside the page, in development and for built files. */

import { createReadStream, existsSync, readFileSync, readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const modules = join(here, 'node_modules');

/** Files that Grafana's components request from its server, by path prefix. */
const ASSETS = [
  ['/public/build/img/icons/', join(modules, '@grafana/ui/dist/public/img/icons/'), '.svg', 'image/svg+xml'],
  ['/public/fonts/inter/', join(modules, 'inter-ui/web/'), '.woff2', 'font/woff2'],
];
/** The weight of Roboto Mono that Grafana uses. */
const MONO = join(modules, '@fontsource/roboto-mono/files/roboto-mono-latin-400-normal.woff2');

/**
 * Returns the dashboards by the name in `?dashboard=`: shipped ones, fixtures, and files.
 * @param {string[]} files
 * @returns {Map<string, string>}
 */
export function dashboards(files = []) {
  const found = new Map();
  /** @type {(path: string, prefix: string) => void} */
  const folder = (path, prefix) => {
    for (const file of readdirSync(path).filter((name) => name.endsWith('.json'))) {
      found.set(prefix + basename(file, '.json'), join(path, file));
    }
  };
  folder(join(here, '..'), '');
  folder(join(here, 'fixtures'), 'fixtures/');
  for (const file of files) {
    found.set(basename(file, '.json'), file);
  }
  return found;
}

/**
 * @param {string[]} files
 * @returns {import('vite').Plugin}
 */
export function serveDashboards(files = []) {
  /** @type {(use: import('vite').Connect.Server) => void} */
  const serve = (use) => {
    use.use('/dashboards', (request, response) => {
      const known = dashboards(files);
      const name = decodeURIComponent((request.url ?? '/').replace(/[?#].*$/, '').slice(1)).replace(/\.json$/, '');
      const path = known.get(name);
      if (name === '') {
        const list = [...known]
          .filter(([name]) => !name.startsWith('fixtures/'))
          .map(([name, path]) => {
            const { title = name, uid, tags = [] } = JSON.parse(readFileSync(path, 'utf8'));
            return { name, title, uid, tags };
          });
        response.setHeader('Content-Type', 'application/json');
        response.end(JSON.stringify(list));
      } else if (path) {
        response.setHeader('Content-Type', 'application/json');
        response.end(readFileSync(path));
      } else {
        response.statusCode = 404;
        response.end(`no dashboard \`${name}\`; known are ${[...known.keys()].join(', ')}`);
      }
    });
    use.use((request, response, next) => {
      const path = (request.url ?? '/').replace(/[?#].*$/, '');
      const [prefix, folder, extension, type] = ASSETS.find(([prefix]) => path.startsWith(prefix)) ?? [];
      if (path.startsWith('/public/fonts/roboto/')) {
        response.setHeader('Content-Type', 'font/woff2');
        createReadStream(MONO).pipe(response);
      } else if (prefix) {
        const file = join(folder, path.slice(prefix.length));
        if (file.startsWith(folder) && file.endsWith(extension) && existsSync(file)) {
          response.setHeader('Content-Type', type);
          createReadStream(file).pipe(response);
        } else {
          response.statusCode = 404;
          response.end();
        }
      } else {
        next();
      }
    });
  };
  return {
    name: 'serve-dashboards',
    configureServer: (server) => serve(server.middlewares),
    configurePreviewServer: (server) => serve(server.middlewares),
  };
}
