/** A folder with catalog files for tests, removed after. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ModelOverrides } from '../../config/index.ts'
import type { CatalogFiles } from './catalog.ts'

export const noOverrides: ModelOverrides = {
  context_tokens: null,
  max_output_tokens: null,
  input_price: null,
  output_price: null,
  cache_read_price: null,
  cache_write_price: null,
}

export interface CatalogFolder extends Disposable {
  readonly folder: string
  readonly files: Required<CatalogFiles>
  writeOverlay(value: unknown): void
  /** @param lines behind the file's first line; texts are written as they are. */
  writeRefreshed(...lines: readonly (object | string)[]): void
}

export function catalogFolder(): CatalogFolder {
  const folder = mkdtempSync(join(tmpdir(), 'oxbow-catalog-'))
  const files = { overlay: join(folder, 'overlay.json'), refreshed: join(folder, 'refreshed.jsonl') }
  const text = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value))
  return {
    folder,
    files,
    writeOverlay: (value) => writeFileSync(files.overlay, text(value)),
    writeRefreshed: (...lines) => writeFileSync(files.refreshed, [{ catalog: 1, sources: {} }, ...lines].map(text).join('\n')),
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  }
}
