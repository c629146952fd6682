/**
 * Which models the next message can go to: models of services that have their key, and models that the configuration names. What was used
 * lately comes first. A name that a person typed is checked before a message goes to it.
 */
import { z } from 'zod'
import { type Core, unpriced } from '../../kernel/index.ts'
import { isObject, nearestNames, OxbowError, ownValue } from '../../base/index.ts'
import { type Call, defineCall, type ModelFacts, modelLabel } from '../../protocol/index.ts'
import { type ServedModels, unservedModel } from '../../config/index.ts'

type UsableDeps = Pick<Core, 'engine' | 'store'>

const usableModel = z.strictObject({
  id: z.string().describe('`provider/model` or `profile:NAME`, as a message names it.'),
  context_tokens: z.int(),
  is_recent: z.boolean(),
})

const usableModels = z.strictObject({ models: z.array(usableModel) })

/** Names in a refusal. */
const maxNearest = 3

/** How far back is looked for models that were used: some dozens of turns. */
const maxRecentRecords = 1_000

/** Where names of models come from. */
interface ModelSources {
  /** Facts of the models of services that can be used. */
  listed(): Promise<readonly ModelFacts[]>
  /** What a service itself lists. */
  served(provider: string): Promise<ServedModels>
  /** Models of the configuration, and its profiles. */
  named(): readonly string[]
  profiles(): readonly string[]
}

export function usableCall(deps: UsableDeps, { listed, served, named, profiles }: ModelSources): Call {
  /** Labels of models that were found usable: programs name one with every request, and its service is asked once. */
  const usable = new Set<string>()
  return defineCall({
    name: 'model.usable',
    routes: [{ method: 'GET', path: '/models/usable', list: 'models' }],
    summary: 'Lists the models that a message can go to: what was used lately first. With a name, only checks that model.',
    tier: 'read_only',
    right: 'system.read',
    effect: 'none',
    audience: ['terminal'],
    labels: { adds: [], sink: false },
    timeoutMs: 20_000,
    input: z.strictObject({
      model: z.string().max(300).default('').describe('The only model of interest. Fails with the nearest names if it cannot be used.'),
      limit: z.int().min(1).max(1_000).default(200),
    }),
    output: usableModels,
    example: { model: 'openai/gpt-5-mini', limit: 20 },
    recordOutput: ({ models }) => ({ models: models.length }),
    async run({ model, limit }) {
      const { engine, store } = deps
      if (model !== '') {
        const facts = await engine.facts(model)
        if (!usable.has(model)) await check(engine, model, facts, { served, listed, named })
        if (facts.settings === undefined) usable.add(model)
        return { output: { models: [viewOf(facts, false)] } }
      }
      const [recent, configured, others] = await Promise.all([recentModels(store), factsOf(engine, named()), listed()])
      const known = new Map([...configured, ...others].map((facts) => [modelLabel(facts), facts]))
      const used = recent.filter((id) => known.has(id))
      const ids = new Set([modelLabel(engine.model), ...used, ...known.keys()])
      const ofProfiles = await Promise.all(
        profiles().map((id) =>
          engine.facts(id).then(
            (facts) => [viewOf(facts, false, id)],
            () => [],
          ),
        ),
      )
      const models = [...ids].map((id) => viewOf(known.get(id) ?? engine.model, used.includes(id))).concat(...ofProfiles)
      return { output: { models: models.slice(0, limit) } }
    },
  })
}

function viewOf(facts: ModelFacts, isRecent: boolean, id = modelLabel(facts)): z.infer<typeof usableModel> {
  return { id, context_tokens: facts.contextTokens, is_recent: isRecent }
}

/** @throws OxbowError `bad_config` with the nearest names, or `not_found` where a model in this process would answer for any name */
async function check(
  engine: UsableDeps['engine'],
  model: string,
  facts: ModelFacts,
  { served, listed, named }: Omit<ModelSources, 'profiles'>,
): Promise<void> {
  const { baseUrl, names } = await served(facts.provider)
  if (facts.provider.startsWith(ofPlugins)) {
    if (names !== null && !names.includes(facts.name)) {
      const all = (await listed()).map(modelLabel)
      throw unservedModel(
        facts.provider.slice(ofPlugins.length),
        facts.name,
        all.filter((label) => label.startsWith(ofPlugins)),
      )
    }
    return
  }
  const isConfigured = [modelLabel(engine.model), ...named()].includes(modelLabel(facts))
  const unlisted = isConfigured ? null : unlistedModel(facts, { baseUrl, names })
  if (unlisted !== null) throw unlisted
  if (facts.settings !== undefined || model.endsWith(facts.name) || model === facts.provider) return
  throw new OxbowError('not_found', `There is no model ${JSON.stringify(model)} here; ${modelLabel(facts)} would answer.`, {
    hint: 'Name it as PROVIDER/MODEL, and store the key of its provider first: oxbow secret set.',
  })
}

/** @returns the refusal of a model that the service itself does not list; null: it does, or has no list */
function unlistedModel({ provider, name }: ModelFacts, { baseUrl, names }: ServedModels): OxbowError | null {
  if (names === null || names.includes(name)) return null
  const near = nearestNames(name, names, Math.ceil(name.length / 2))
  const some = (near.length > 0 ? near : names).slice(0, maxNearest).map((other) => `${provider}/${other}`)
  return new OxbowError('not_found', `${baseUrl} does not list the model ${JSON.stringify(name)}.`, {
    hint: some.length === 0 ? 'It lists none: start one there.' : `It lists ${some.join(', ')}.`,
  })
}

/** @returns why a money budget keeps a model without a price from being asked: most often its name is mistyped */
export async function unpricedModel({ catalog }: Pick<Core, 'catalog'>, facts: ModelFacts): Promise<OxbowError> {
  const served = (await catalog?.({ ask: 'served', provider: facts.provider })[Symbol.asyncIterator]().next())?.value
  return (served === undefined ? null : unlistedModel(facts, served as ServedModels)) ?? unpriced(facts)
}

/** How providers begin that are plugins. */
const ofPlugins = 'plugin:'

/** @returns those that can be used */
export async function factsOf(engine: UsableDeps['engine'], names: readonly string[]): Promise<readonly ModelFacts[]> {
  const found = await Promise.all(names.map((name) => engine.facts(name).catch(() => null)))
  return found.filter((facts) => facts !== null)
}

/** @returns labels of models that were asked, the newest first: only the intent of a request names its model */
async function recentModels(store: UsableDeps['store']): Promise<readonly string[]> {
  const records = await store.records({ phases: ['intent'], order: 'newest_first', limit: maxRecentRecords, hydrate: false })
  const models = records.filter(({ name }) => name === 'model.generate').map(({ body }) => modelIn(body))
  return [...new Set(models.filter((model) => model !== ''))]
}

function modelIn(body: string): string {
  const intent: unknown = JSON.parse(body)
  const input = isObject(intent) ? ownValue(intent, 'input') : undefined
  const model = isObject(input) ? ownValue(input, 'model') : undefined
  return typeof model === 'string' ? model : ''
}
