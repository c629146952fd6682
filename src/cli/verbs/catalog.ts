/** `oxbow catalog refresh`, `verify` and `show`: the facts that Oxbow works with, where they are from, and newer ones. */
import { type ModelFacts, OxbowError } from '../../types/index.ts'
import { printFailure } from '../failure-report.ts'
import type { GuestChoice } from '../guest/guest-connection.ts'
import { shownCatalogChanges } from '../limits.ts'
import { printLine } from '../terminal.ts'
import type { Terminal } from '../terminal.ts'
import { describePrice, formatTokens } from '../view/model-text.ts'
import { plainText } from '../view/terminal-text.ts'
import { table } from '../view/text-format.ts'
import { askCatalog } from './models.ts'

export interface CatalogOptions extends GuestChoice {
  readonly json?: boolean | undefined
}

/** What the guest answers. */
interface RefreshReport {
  readonly path: string
  readonly providers: number
  readonly models: number
  readonly leftOut: readonly string[]
  readonly changes: readonly { readonly model: string; readonly what: string; readonly before: string; readonly after: string }[]
}

interface Check {
  readonly check: string
  readonly ok: boolean
  readonly warning: boolean
  readonly detail: string
}

interface Shown {
  readonly facts: ModelFacts
  readonly origins: Readonly<Record<string, string>>
  readonly catalog_id: string | null
  readonly sources: readonly string[]
  readonly release_date: string | null
  readonly provider: { readonly name: string; readonly env: readonly string[]; readonly api: string; readonly npm: string } | null
}

export async function catalogRefresh(options: CatalogOptions & { readonly url: string }, terminal: Terminal): Promise<number> {
  for await (const answer of askCatalog({ ask: 'refresh', url: options.url }, options, terminal)) {
    printLine(terminal, options.json === true ? JSON.stringify(answer) : plainText(describeRefresh(answer as RefreshReport)))
  }
  return 0
}

/** @returns 0 when everything can be used, else the code of `bad_config`. */
export async function catalogVerify(options: CatalogOptions, terminal: Terminal): Promise<number> {
  const checks: Check[] = []
  for await (const answer of askCatalog({ ask: 'verify' }, options, terminal)) {
    checks.push(answer as Check)
    if (options.json === true) printLine(terminal, JSON.stringify(answer))
  }
  const sign = ({ ok, warning }: Check): string => (ok ? (warning ? 'warning' : 'ok') : 'FAILED')
  if (options.json !== true) printLine(terminal, plainText(table(checks.map((each) => [sign(each), each.check, each.detail]))))
  if (checks.every(({ ok }) => ok)) return 0
  return printFailure(terminal, {
    code: 'bad_config',
    message: 'the catalog or the configured models cannot be used as they are; the lines above say why',
    hint: 'Mend the file, name a known model, or say in the configuration how large the model is.',
  })
}

/** @param model as `provider/model`, or a model of the configured provider. */
export async function catalogShow(model: string, options: CatalogOptions, terminal: Terminal): Promise<number> {
  let shown: Shown | null = null
  for await (const answer of askCatalog({ ask: 'show', model }, options, terminal)) shown = answer as Shown
  if (shown === null) throw new OxbowError('guest_unreachable', 'the guest gave no answer', { hint: 'Its log is logs/guest.log.' })
  printLine(terminal, options.json === true ? JSON.stringify(shown) : plainText(describeModel(shown)))
  return 0
}

function describeRefresh({ path, providers, models, leftOut, changes }: RefreshReport): string {
  const lines = changes
    .slice(0, shownCatalogChanges)
    .map(({ model, what, before, after }) => `  ${what}  ${model}${before === '' ? '' : `: ${before} → ${after}`}`)
  const more = changes.length - lines.length
  return [
    `${path}: ${providers} providers, ${models} models.`,
    changes.length === 0 ? 'Nothing has changed.' : `${changes.length} changes:`,
    ...lines,
    ...(more > 0 ? [`  and ${more} more; --json lists them all`] : []),
    ...(leftOut.length === 0
      ? []
      : [`${leftOut.length} entries were left out, they do not fit the schema: ${leftOut.slice(0, 3).join('; ')}`]),
  ].join('\n')
}

function describeModel({ facts, origins, catalog_id: id, sources, release_date: released, provider }: Shown): string {
  const from = (key: string): string => `from ${origins[key] ?? 'assumed'}`
  const yes = (value: boolean): string => (value ? 'yes' : 'no')
  return table([
    ['model', `${facts.provider}/${facts.name}`, id === null ? 'not in the catalog' : id === facts.name ? '' : `in the catalog as ${id}`],
    ...(provider === null ? [] : [['provider', provider.name, [provider.api, ...provider.env].filter((each) => each !== '').join(', ')]]),
    ['context', `${formatTokens(facts.contextTokens)} tokens`, from('contextTokens')],
    ['output', `${formatTokens(facts.maxOutputTokens)} tokens`, from('maxOutputTokens')],
    ['price per million', describePrice(facts.price), from('price')],
    ['takes', facts.input.join(', '), from('input')],
    ['tools', yes(facts.tools), from('tools')],
    ['reasoning', yes(facts.reasoning), from('reasoning')],
    ['sampling', yes(facts.sampling), from('sampling')],
    ['structured output', yes(facts.structuredOutput), from('structuredOutput')],
    ['deprecated', yes(facts.deprecated), from('deprecated')],
    ...(released === null ? [] : [['released', released, '']]),
    ...sources.map((source, at) => [at === 0 ? 'source' : '', source, '']),
  ])
}
