/** Serves the dashboards and Grafana's icons beside the page, on the development server and on the one for built files. */

import { createReadStream, existsSync, readFileSync, readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const icons = join(here, 'node_modules/@grafana/ui/dist/public/img/icons');

/**
 * Dashboards by the name that `?dashboard=` takes: those shipped, the fixtures, and those given by their files.
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
    use.use('/public/build/img/icons', (request, response) => {
      const icon = join(icons, (request.url ?? '/').replace(/[?#].*$/, ''));
      if (icon.startsWith(icons) && icon.endsWith('.svg') && existsSync(icon)) {
        response.setHeader('Content-Type', 'image/svg+xml');
        createReadStream(icon).pipe(response);
      } else {
        response.statusCode = 404;
        response.end();
      }
    });
  };
  return {
    name: 'serve-dashboards',
    configureServer: (server) => serve(server.middlewares),
    configurePreviewServer: (server) => serve(server.middlewares),
  };
}
