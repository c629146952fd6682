/** `oxbow models`: what the catalog and the configuration know of models; needs no running guest. */
import { askOffline } from '../../runner/index.ts'
import type { CatalogQuestion, ModelFacts } from '../../types/index.ts'
import { guestOptions } from '../guest/guest-connection.ts'
import type { GuestChoice } from '../guest/guest-connection.ts'
import { printLine } from '../terminal.ts'
import type { Terminal } from '../terminal.ts'
import { modelTable } from '../view/model-text.ts'
import { plainText } from '../view/terminal-text.ts'
import { table } from '../view/text-format.ts'

export interface ModelsOptions extends GuestChoice {
  readonly json?: boolean | undefined
  readonly discover?: boolean | undefined
}

/** A model service on this machine. */
interface FoundService {
  readonly name: string
  readonly baseUrl: string
  readonly models: readonly { readonly name: string; readonly contextTokens: number | null }[]
  readonly configLines: readonly string[]
}

/** @param provider shows its models only; without it, those of all. With `discover`, what runs on this machine instead. */
export async function models(provider: string | undefined, options: ModelsOptions, terminal: Terminal): Promise<number> {
  const discover = options.discover ?? false
  const listed: unknown[] = []
  for await (const answer of askCatalog({ ask: 'models', provider: provider ?? '', discover }, options, terminal)) {
    if (options.json === true) printLine(terminal, JSON.stringify(answer))
    else listed.push(answer)
  }
  if (options.json === true) return 0
  printLine(terminal, plainText(discover ? describeServices(listed as FoundService[]) : modelTable(listed as ModelFacts[])))
  return 0
}

function describeServices(services: readonly FoundService[]): string {
  if (services.length === 0) return 'No model service answers on this machine.'
  return services
    .map(({ name, baseUrl, models: found, configLines }) => {
      const rows = found.map((model) => [
        `  ${model.name}`,
        model.contextTokens === null ? 'size unknown' : `${model.contextTokens} tokens`,
      ])
      const use = configLines.length === 0 ? [] : ['', '  To use it, put into config.toml:', ...configLines.map((line) => `    ${line}`)]
      return [`${name} at ${baseUrl}`, rows.length === 0 ? '  no models' : table(rows), ...use].join('\n')
    })
    .join('\n\n')
}

export function askCatalog(question: CatalogQuestion, choice: GuestChoice, terminal: Terminal): AsyncGenerator {
  return askOffline(guestOptions(choice, terminal), { command: 'catalog', question })
}
