/** `oxbow models`: what the catalog and the configuration know of models; needs no running guest. */
import { askOffline } from '../../runner/index.ts'
import type { CatalogQuestion, ModelFacts } from '../../types/index.ts'
import { guestOptions } from '../guest/guest-connection.ts'
import type { GuestChoice } from '../guest/guest-connection.ts'
import { printLine } from '../terminal.ts'
import type { Terminal } from '../terminal.ts'
import { modelTable } from '../view/model-text.ts'
import { plainText } from '../view/terminal-text.ts'

export interface ModelsOptions extends GuestChoice {
  readonly json?: boolean | undefined
  readonly discover?: boolean | undefined
}

/** @param provider shows its models only; without it, those of all. */
export async function models(provider: string | undefined, options: ModelsOptions, terminal: Terminal): Promise<number> {
  const question = { ask: 'models', provider: provider ?? '', discover: options.discover ?? false } as const
  const listed: ModelFacts[] = []
  for await (const answer of askCatalog(question, options, terminal)) {
    if (options.json === true) printLine(terminal, JSON.stringify(answer))
    else listed.push(answer as ModelFacts)
  }
  if (options.json !== true) printLine(terminal, plainText(modelTable(listed)))
  return 0
}

export function askCatalog(question: CatalogQuestion, choice: GuestChoice, terminal: Terminal): AsyncGenerator {
  return askOffline(guestOptions(choice, terminal), { command: 'catalog', question })
}
