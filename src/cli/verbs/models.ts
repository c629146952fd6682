/** `oxbow models` and `oxbow catalog`: show model facts and their sources, without a running guest. */
import { askOffline } from '../../runner/index.ts'
import { ownValue, plural } from '../../base/index.ts'
import type { ModelFacts, ModelPrice } from '../../protocol/index.ts'
import { builtinProviders, type CatalogQuestion } from '../../config/index.ts'
import { type GuestChoice, guestSetup, reportOf } from '../guest-connection.ts'
import { shownCatalogChanges } from '../limits.ts'
import { printFailure, printAnswer, printLine, printNotice, printText, type Terminal } from '../terminal.ts'
import { plainText, table } from '../../terminal/index.ts'

export interface ModelsOptions extends GuestChoice {
  readonly json?: boolean | undefined
  readonly discover?: boolean | undefined
  readonly all?: boolean | undefined
}

/**
 * @param provider shows only its models; without it, shows usable providers' models, or all if no provider is usable. With `all` or
 * `json`, shows every model. With `discover`, shows model services on this machine instead.
 */
export async function printModels(provider: string | undefined, options: ModelsOptions, terminal: Terminal): Promise<number> {
  const discover = options.discover ?? false
  const listed: unknown[] = []
  for await (const answer of askCatalog({ ask: 'models', provider: provider ?? '', discover }, options, terminal)) {
    if (options.json === true) printLine(terminal, JSON.stringify(answer))
    else listed.push(answer)
  }
  if (options.json === true) return 0
  if (discover) printText(terminal, plainText(describeServices(listed as FoundService[])))
  else if (provider !== undefined || options.all === true) printText(terminal, plainText(modelTable(listed as ModelFacts[])))
  else printUsable(listed as ModelFacts[], options, terminal)
  return 0
}

/** Thousands of models that would need a key first hide the ones that answer. */
function printUsable(models: readonly ModelFacts[], options: ModelsOptions, terminal: Terminal): void {
  const { config, env } = guestSetup(options, terminal)
  const hasKey = (id: string): boolean =>
    id === config.model.provider ||
    id.startsWith('plugin:') ||
    Object.hasOwn(config.providers, id) ||
    (ownValue(builtinProviders, id)?.keyEnv ?? []).some((name) => (ownValue(env, name) ?? '').trim() !== '')
  const usable = models.filter((model) => hasKey(model.provider))
  printText(terminal, plainText(usable.length === 0 ? providerTable(models) : modelTable(usable)))
  const whose =
    usable.length === 0
      ? 'No provider has a key here.'
      : 'These are of the providers that have a key here or are configured, and of plugins.'
  const unlisted = Object.keys(config.providers).filter((id) => models.every(({ provider }) => provider !== id))
  const asked = unlisted.map((id) => ` \`oxbow models ${id}\` asks your service ${id}.`).join('')
  printNotice(
    terminal,
    `\n${whose} \`oxbow models PROVIDER\` lists the models of one provider, \`oxbow models --all\` lists all ${models.length}.${asked}`,
  )
}

export function askCatalog(catalog: CatalogQuestion, choice: GuestChoice, terminal: Terminal): AsyncGenerator {
  return askOffline(guestSetup(choice, terminal), { command: 'catalog', catalog })
}

// Names and texts may come from a downloaded catalog, so they are cleaned when printed.

export function modelTable(models: readonly ModelFacts[]): string {
  const rows = models.map((model) => [
    `${model.provider}/${model.name}`,
    formatTokens(model.contextTokens),
    formatTokens(model.maxOutputTokens),
    ...(model.price === null ? ['?', '?'] : [formatPrice(model.price, 'inputPerMillion'), formatPrice(model.price, 'outputPerMillion')]),
    model.input.join(','),
    model.tools ? 'yes' : 'no',
    model.reasoning ? 'yes' : 'no',
    model.deprecated ? 'deprecated' : '',
  ])
  return table([['MODEL', 'CONTEXT', 'OUTPUT', 'IN $/M', 'OUT $/M', 'TAKES', 'TOOLS', 'REASONING', ''], ...rows])
}

/** Shown instead of two thousand lines. */
export function providerTable(models: readonly Pick<ModelFacts, 'provider'>[]): string {
  const counts = new Map<string, number>()
  for (const { provider } of models) counts.set(provider, (counts.get(provider) ?? 0) + 1)
  const rows = [...counts].map(([provider, count]) => [provider, String(count)])
  return table([['PROVIDER', 'MODELS'], ...rows])
}

/** @returns all prices, in dollars per million tokens. */
export function describePrice(price: ModelPrice | null): string {
  if (price === null) return 'unknown'
  const tiers = price.tiers ?? []
  return [ratesText(price), ...tiers.map((tier) => `above ${formatTokens(tier.aboveInputTokens)} input: ${ratesText(tier)}`)].join('; ')
}

function ratesText(rates: Omit<ModelPrice, 'tiers'>): string {
  const { inputPerMillion: input, cacheReadPerMillion: read, cacheWritePerMillion: write } = rates
  const text = (price: number): string => `$${dollars(price)}`
  return [
    `in ${text(input)}`,
    `out ${text(rates.outputPerMillion)}`,
    ...(read === undefined ? [] : [`cache read ${text(read)}`]),
    ...(write === undefined ? [] : [`cache write ${text(write)}`]),
  ].join(', ')
}

/** A `+` marks tiers: large requests have another price. */
function formatPrice(price: ModelPrice, key: 'inputPerMillion' | 'outputPerMillion'): string {
  return `${dollars(price[key])}${price.tiers === undefined ? '' : '+'}`
}

function dollars(microDollars: number): string {
  const text = (microDollars / 1_000_000).toFixed(6).replace(/0+$/, '')
  const [whole = '', part = ''] = text.split('.')
  return `${whole}.${part.padEnd(2, '0')}`
}

function formatTokens(tokens: number): string {
  if (tokens >= 1_000_000) return `${Number((tokens / 1_000_000).toFixed(2))}M`
  return tokens >= 10_000 ? `${Math.round(tokens / 1_000)}k` : String(tokens)
}

/** A service of models that runs on this machine. */
export interface FoundService {
  readonly name: string
  readonly baseUrl: string
  readonly models: readonly { readonly name: string; readonly contextTokens: number | null }[]
  /** Lines of `config.toml` that select the service and its first model; empty without a model. */
  readonly configLines: readonly string[]
}

export function describeServices(services: readonly FoundService[]): string {
  if (services.length === 0) return 'No model service was found on this machine.'
  return services
    .map(({ name, baseUrl, models: found, configLines }) => {
      const rows = found.map((model) => [
        `  ${model.name}`,
        model.contextTokens === null ? 'size unknown' : `${model.contextTokens} tokens`,
      ])
      const use = configLines.length === 0 ? [] : ['', '  To use it, add to config.toml:', ...configLines.map((line) => `    ${line}`)]
      return [`${name} at ${baseUrl}`, rows.length === 0 ? '  no models' : table(rows), ...use].join('\n')
    })
    .join('\n\n')
}

export interface CatalogOptions extends GuestChoice {
  readonly json?: boolean | undefined
}

/** Result from the guest. */
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
  /** Maximum output of the model, before Oxbow's own limit. */
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

/** @returns 0 when catalog and models are usable, else the exit code of `bad_config`. */
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
    message: 'the catalog or the configured models are not usable; the lines above say why',
    hint: 'Correct the file, name a model of the catalog, or set the size of the model in the configuration.',
  })
}

/** @param model as `provider/model`, or a model of the configured provider. */
export async function catalogShow(model: string, options: CatalogOptions, terminal: Terminal): Promise<number> {
  const shown = await reportOf<Shown>(guestSetup(options, terminal), { command: 'catalog', catalog: { ask: 'show', model } })
  return printAnswer(shown, plainText(describeModel(shown)), options, terminal)
}

function describeRefresh({ path, providers, models, leftOut, changes }: RefreshReport): string {
  const lines = changes
    .slice(0, shownCatalogChanges)
    .map(({ model, what, before, after }) => `  ${what}  ${model}${before === '' ? '' : `: ${before} → ${after}`}`)
  const more = changes.length - lines.length
  return [
    `${path}: ${providers} providers, ${models} models.`,
    changes.length === 0 ? 'Nothing has changed.' : `${plural(changes.length, 'change')}:`,
    ...lines,
    ...(more > 0 ? [`  and ${more} more; --json lists them all`] : []),
    ...(leftOut.length === 0
      ? []
      : [
          `Skipped ${plural(leftOut.length, 'entry', 'entries')} with fields that do not match the schema: ${leftOut.slice(0, 3).join('; ')}`,
        ]),
  ].join('\n')
}

function describeModel(shown: Shown): string {
  const { facts, origins, catalog_id: id, provider } = shown
  const from = (key: string): string => ownValue(origins, key) ?? 'assumed'
  const yes = (value: boolean): string => (value ? 'yes' : 'no')
  const modelLimit = shown.most_output !== null && shown.most_output > facts.maxOutputTokens ? `, the model can ${shown.most_output}` : ''
  const heads = [
    ['model', `${facts.provider}/${facts.name}`],
    ...(id === facts.name ? [] : [['', id === null ? 'not in the catalog' : `in the catalog as ${id}`]]),
    ...(provider === null ? [] : [['provider', [provider.name, provider.api, ...provider.env].filter((each) => each !== '').join(', ')]]),
    ...(shown.release_date === null ? [] : [['released', shown.release_date]]),
    ...shown.sources.map((source, at) => [at === 0 ? 'source' : '', source]),
  ]
  // The origin goes before the value, which may be long.
  const rows = [
    ['context', from('contextTokens'), `${facts.contextTokens} tokens`],
    ['output', from('maxOutputTokens'), `${facts.maxOutputTokens} tokens${modelLimit}`],
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
