/** `oxbow catalog refresh`, `verify` and `show`: the facts that Oxbow works with, where they are from, and newer ones. */
import { type ModelFacts, OxbowError } from '../../types/index.ts'
import { printFailure } from '../failure-report.ts'
import type { GuestChoice } from '../guest/guest-connection.ts'
import { shownCatalogChanges } from '../limits.ts'
import { printLine, printText } from '../terminal.ts'
import type { Terminal } from '../terminal.ts'
import { describePrice } from '../view/model-text.ts'
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
  /** What the model can, before Oxbow's own limit. */
  readonly most_output: number | null
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
  if (options.json !== true) printText(terminal, plainText(table(checks.map((each) => [sign(each), each.check, each.detail]))))
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

function describeModel(shown: Shown): string {
  const { facts, origins, catalog_id: id, provider } = shown
  const from = (key: string): string => origins[key] ?? 'assumed'
  const yes = (value: boolean): string => (value ? 'yes' : 'no')
  const most = shown.most_output !== null && shown.most_output > facts.maxOutputTokens ? `, the model can ${shown.most_output}` : ''
  const heads = [
    ['model', `${facts.provider}/${facts.name}`],
    ...(id === facts.name ? [] : [['', id === null ? 'not in the catalog' : `in the catalog as ${id}`]]),
    ...(provider === null ? [] : [['provider', [provider.name, provider.api, ...provider.env].filter((each) => each !== '').join(', ')]]),
    ...(shown.release_date === null ? [] : [['released', shown.release_date]]),
    ...shown.sources.map((source, at) => [at === 0 ? 'source' : '', source]),
  ]
  // The origin stands before the value, which may be long.
  const rows = [
    ['context', from('contextTokens'), `${facts.contextTokens} tokens`],
    ['output', from('maxOutputTokens'), `${facts.maxOutputTokens} tokens${most}`],
    ['price per million', facts.price === null ? '' : from('price'), describePrice(facts.price)],
    ['takes', from('input'), facts.input.join(', ')],
    ['tools', from('tools'), yes(facts.tools)],
    ['reasoning', from('reasoning'), yes(facts.reasoning)],
    ['sampling', from('sampling'), yes(facts.sampling)],
    ['structured output', from('structuredOutput'), yes(facts.structuredOutput)],
    ['deprecated', from('deprecated'), yes(facts.deprecated)],
  ]
  return `${table(heads)}\n\n${table(rows)}`
}
