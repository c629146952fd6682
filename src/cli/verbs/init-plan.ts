/** What `oxbow init` will do: from its options here, or from the answers in `init-wizard.ts`. */
import {
  askOffline,
  changeText,
  checkStartOf,
  configFileIn,
  draftConfig,
  type GuestSetup,
  type HostEnv,
  readConfigFile,
} from '../../runner/index.ts'
import { ownValue, OxbowError } from '../../base/index.ts'
import type { AddressModels, FoundService, SandboxTier } from '../../protocol/index.ts'
import { builtinProviders, type ConfigChange, keyNameOf, type ModelChoice, setupChanges } from '../../config/index.ts'
import type { GuestChoice } from '../guest-connection.ts'
import { readPiped } from '../input.ts'
import { setupLookMs } from '../limits.ts'
import type { Terminal } from '../terminal.ts'

export interface InitOptions extends Pick<GuestChoice, 'user'> {
  /** `provider/model`, a provider, `local` for a service on this machine, or `offline`. */
  readonly model?: string | undefined
  readonly baseUrl?: string | undefined
  readonly keyEnv?: string | undefined
  readonly keyStdin?: boolean | undefined
  /** Dollars for a million tokens, with `baseUrl`. */
  readonly inputPrice?: number | undefined
  readonly outputPrice?: number | undefined
  /** Dollars a day. */
  readonly budget?: number | undefined
  readonly tier?: SandboxTier | undefined
  readonly yes?: boolean | undefined
  readonly dryRun?: boolean | undefined
  readonly json?: boolean | undefined
}

/** What a set-up does. */
export interface SetupPlan {
  /** Null: it stays as it is. */
  readonly model: ModelChoice | null
  /** `variable`: the key stays in the environment; `value`: it is stored as a secret. Null: none is needed. */
  readonly key: { readonly variable: string } | { readonly name: string; readonly value: string } | null
  /** Dollars a day; null: no limit is set. */
  readonly budget: number | null
  readonly tier: SandboxTier | null
}

/** @throws OxbowError `bad_input` */
export async function planOf(options: InitOptions, setup: GuestSetup, terminal: Terminal): Promise<SetupPlan> {
  const { model: name, yes, budget = null, tier = null } = options
  if (name === undefined && options.baseUrl === undefined && yes !== true) {
    throw new OxbowError('bad_input', 'nobody can be asked here', {
      hint: 'Name a model with --model, or add --yes to use a key of the environment, a model on this machine, or none.',
    })
  }
  // What was set up before stays, unless another model is named.
  if (name === undefined && options.baseUrl === undefined && isSetUp(setup)) {
    const { provider, name: configured, base_url: address, input_price: input, output_price: output } = setup.config.model
    if (address !== '' && budget !== null && (input === undefined || output === undefined)) throw unpriced()
    const keyed = provider === 'auto' ? configured.split('/')[0]! : provider
    return { model: null, key: await keyOf({ provider: keyed, isNamed: false }, options, terminal), budget, tier }
  }
  const model = await modelOf(options, setup)
  const provider = model.kind === 'service' ? model.provider : model.kind === 'address' ? 'openai' : ''
  return { model, key: await keyOf({ provider, isNamed: model.kind === 'service' }, options, terminal), budget, tier }
}

/** Whether a model answers that somebody has chosen. */
function isSetUp({ config: { model } }: GuestSetup): boolean {
  return model.provider !== 'offline' && (model.provider !== 'auto' || model.name !== '' || model.base_url !== '')
}

function unpriced(): OxbowError {
  return new OxbowError('bad_input', 'a budget in dollars needs the price of the model', {
    hint: 'Add --input-price and --output-price, dollars for a million tokens; 0 for a model of your own.',
  })
}

async function modelOf({ model: name, baseUrl, budget, ...prices }: InitOptions, setup: GuestSetup): Promise<ModelChoice> {
  if (baseUrl !== undefined) {
    if (name === undefined) throw new OxbowError('bad_input', '--base-url needs a model', { hint: 'Add --model NAME.' })
    const { inputPrice: input, outputPrice: output } = prices
    const isPriced = input !== undefined && output !== undefined
    if (budget !== undefined && !isPriced) throw unpriced()
    const price = isPriced ? { input: microDollars(input), output: microDollars(output) } : null
    const { contextTokens } = await lookAt(setup, baseUrl, name)
    return { kind: 'address', baseUrl, model: name, contextTokens, price }
  }
  const chosen = name ?? usualModel(setup)
  if (chosen === 'offline') return { kind: 'offline' }
  if (chosen === 'local' || chosen === null) {
    const local = localChoice(await findServices(setup))
    if (local === null && chosen === 'local')
      throw new OxbowError('not_found', 'no model was found on this machine', {
        hint: 'Start Ollama, llama.cpp, LM Studio, vLLM or LocalAI with a model, or give its address: --base-url URL --model NAME.',
      })
    return local ?? { kind: 'offline' }
  }
  const [provider = '', ...rest] = chosen.split('/')
  const builtin = Object.hasOwn(builtinProviders, provider) ? builtinProviders[provider] : undefined
  const model = rest.join('/')
  if (builtin === undefined || (model === '' && builtin.defaultModel === '')) {
    throw new OxbowError('bad_input', `${JSON.stringify(chosen)} names no model`, {
      hint: `Give provider/model, local or offline. Providers: ${Object.keys(builtinProviders).join(', ')}.`,
    })
  }
  return { kind: 'service', provider, model }
}

export function microDollars(dollars: number): number {
  return Math.round(dollars * 1_000_000)
}

/** @returns a service whose key is set; null: none, so that `--yes` takes a model on this machine, or else the offline interpreter */
function usualModel({ env }: GuestSetup): string | null {
  const keyed = Object.entries(builtinProviders).find(
    ([, { keyEnv, defaultModel }]) => defaultModel !== '' && keyEnv.some((name) => isSet(env, name)),
  )
  return keyed?.[0] ?? null
}

export function isSet(env: HostEnv, name: string): boolean {
  return (ownValue(env, name) ?? '').trim() !== ''
}

/** The first service with a model. */
function localChoice(services: readonly FoundService[]): ModelChoice | null {
  const service = services.find(({ models }) => models.length > 0)
  return service === undefined ? null : { kind: 'local', service, model: service.models[0]!.name }
}

/** @returns the services on this machine; those that answer too late are left out */
export async function findServices(setup: GuestSetup): Promise<readonly FoundService[]> {
  const found: FoundService[] = []
  const services = askOffline(setup, { command: 'catalog', catalog: { ask: 'models', provider: '', discover: true } })
  const late = new Promise<void>((resolve) => setTimeout(resolve, setupLookMs).unref())
  const look = async (): Promise<void> => {
    for await (const service of services) found.push(service as FoundService)
  }
  await Promise.race([look().catch(() => {}), late])
  return [...found]
}

/** @param service whose key it is, and whether it is named now: then a key of the environment is taken by itself */
async function keyOf(
  { provider, isNamed }: { readonly provider: string; readonly isNamed: boolean },
  { keyEnv, keyStdin }: InitOptions,
  terminal: Terminal,
): Promise<SetupPlan['key']> {
  const name = keyNameOf(provider)
  if (keyStdin === true && name === '') throw new OxbowError('bad_input', 'this model needs no key', { hint: 'Omit --key-stdin.' })
  if (keyStdin === true) {
    const value = (await readPiped(terminal.input, false)).trim()
    if (value === '')
      throw new OxbowError('bad_input', 'the key is empty', { hint: 'Pipe it in: oxbow init --model openai --key-stdin < key.txt' })
    return { name, value }
  }
  if (keyEnv !== undefined) {
    if (isSet(terminal.env, keyEnv)) return { variable: keyEnv }
    throw new OxbowError('bad_input', `the variable ${keyEnv} is not set`, {
      hint: `Set it first, or store the key: oxbow secret set ${name || keyEnv}`,
    })
  }
  if (!isNamed) return null
  const names = ownValue(builtinProviders, provider)?.keyEnv ?? []
  const variable = names.find((each) => isSet(terminal.env, each))
  return variable === undefined ? null : { variable }
}

/** @returns the changes of the configuration: every set-up's, and the variable of a key that is not the usual one */
export function changesOf({ model, key, tier }: SetupPlan): readonly ConfigChange[] {
  if (model === null) {
    const variable = key !== null && 'variable' in key ? [{ key: ['model', 'api_key_env'], value: key.variable }] : []
    return [...variable, ...(tier === null ? [] : [{ key: ['sandbox', 'tier'], value: tier }])]
  }
  const usual = model.kind === 'service' ? (ownValue(builtinProviders, model.provider)?.keyEnv ?? []) : ['OPENAI_API_KEY']
  const changes = setupChanges({ model, tier })
  if (key === null || !('variable' in key) || usual.includes(key.variable)) return changes
  return changes.map((change) => (change.key.join('.') === 'model.api_key_env' ? { ...change, value: key.variable } : change))
}

/** @throws OxbowError `bad_config` with what no guest would start with these changes for; nothing is saved */
export async function assertUsable(changes: readonly ConfigChange[], setup: GuestSetup): Promise<void> {
  const { home, workspace } = setup
  const file = configFileIn(workspace)
  const text = changeText(file, readConfigFile(file) ?? '', changes)
  await checkStartOf({ ...setup, config: draftConfig(home, workspace, new Map([[file, text]])) })
}

/** @returns what the service at an address offers, and the size of one of its models as far as it is known. Never rejects. */
export async function lookAt(setup: GuestSetup, baseUrl: string, model = '', key = ''): Promise<AddressModels> {
  try {
    for await (const found of askOffline(setup, { command: 'catalog', catalog: { ask: 'address', baseUrl, model, key } }))
      return found as AddressModels
  } catch {
    // A set-up does without.
  }
  return { models: null, contextTokens: null, betterUrl: '' }
}

/** Without the key. */
export function publicPlan({ model, key, budget, tier }: SetupPlan): object {
  return { model, key: key === null ? null : 'name' in key ? key.name : key.variable, budget, tier }
}

function describeChoice(model: ModelChoice): string {
  if (model.kind === 'offline') return 'the offline interpreter'
  if (model.kind === 'service')
    return `${model.provider}/${model.model || (ownValue(builtinProviders, model.provider)?.defaultModel ?? '')}`
  return model.kind === 'local' ? `${model.service.id}/${model.model}` : `${model.model} at ${model.baseUrl}`
}

export function describePlan({ model, key, budget, tier }: SetupPlan, { workspace }: GuestSetup): string {
  return [
    model === null ? 'keep the model' : `use ${describeChoice(model)} by default, in ${configFileIn(workspace)}`,
    ...(key !== null && 'name' in key ? [`store the key as ${key.name}, encrypted`] : []),
    ...(key !== null && 'variable' in key ? [`take the key from $${key.variable}`] : []),
    ...(budget === null ? [] : [`spend at most $${budget} a day`]),
    ...(tier === null ? [] : [`run files and commands in the tier ${tier}`]),
  ].join('; ')
}
