// Writes every dashboard as JSON into the folder that is named, or into dashboards/grafana.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type * as dashboard from '@grafana/grafana-foundation-sdk/dashboard';
import { ofCampaign } from './campaign';
import { deliverability } from './deliverability';
import { engagement } from './engagement';
import { ofMessage } from './message';
import { pipeline } from './pipeline';
import { scanners } from './scanners';

const all = { deliverability, engagement, campaign: ofCampaign, message: ofMessage, scanners, pipeline };

/** Panels get ids in their order. What a hidden variable stands for is asked anew and never taken from a URL. */
function finished(built: dashboard.Dashboard): dashboard.Dashboard {
  built.panels?.forEach((panel, place) => {
    panel.id = place + 1;
  });
  for (const variable of built.templating.list ?? []) {
    if (variable.hide === 2) variable.skipUrlSync = true;
  }
  return built;
}

const folder = process.argv[2] ?? resolve(__dirname, '../../grafana');
mkdirSync(folder, { recursive: true });
for (const [name, begin] of Object.entries(all)) {
  writeFileSync(join(folder, `${name}.json`), `${JSON.stringify(finished(begin().build()), null, 2)}\n`);
}
