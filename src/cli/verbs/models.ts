/** `oxbow models`: what the catalog and the configuration know of models; needs no running guest. */
import { askOffline } from '../../runner/index.ts'
import type { CatalogQuestion, ModelFacts } from '../../types/index.ts'
import { guestSetup } from '../guest/guest-connection.ts'
import type { GuestChoice } from '../guest/guest-connection.ts'
import { printLine, printText } from '../terminal.ts'
import type { Terminal } from '../terminal.ts'
import { modelTable, providerTable } from '../view/model-text.ts'
import { describeServices } from '../view/service-text.ts'
import type { FoundService } from '../view/service-text.ts'
import { plainText } from '../view/terminal-text.ts'

export interface ModelsOptions extends GuestChoice {
  readonly json?: boolean | undefined
  readonly discover?: boolean | undefined
}

/** @param provider shows its models only; without it, those of all, at a terminal their providers. With `discover`, what runs on this machine instead. */
export async function models(provider: string | undefined, options: ModelsOptions, terminal: Terminal): Promise<number> {
  const discover = options.discover ?? false
  const listed: unknown[] = []
  for await (const answer of askCatalog({ ask: 'models', provider: provider ?? '', discover }, options, terminal)) {
    if (options.json === true) printLine(terminal, JSON.stringify(answer))
    else listed.push(answer)
  }
  if (options.json === true) return 0
  if (discover) printText(terminal, plainText(describeServices(listed as FoundService[])))
  else {
    const show = provider === undefined && terminal.output.isTTY ? providerTable : modelTable
    printText(terminal, plainText(show(listed as ModelFacts[])))
  }
  return 0
}

export function askCatalog(catalog: CatalogQuestion, choice: GuestChoice, terminal: Terminal): AsyncGenerator {
  return askOffline(guestSetup(choice, terminal), { command: 'catalog', catalog })
}
