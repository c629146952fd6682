/** The questions of `oxbow init` in a terminal, and the offer at the first start. What can be found out is looked up while the person answers. */
import { setTimeout as sleep } from 'node:timers/promises'
import { confirm, intro, isCancel, log, outro, password, select, spinner, text } from '@clack/prompts'
import { askOffline, type GuestSetup } from '../../runner/index.ts'
import { isOxbowError, ownValue, OxbowError, failureSentences } from '../../base/index.ts'
import type { AddressModels, DoctorCheck, FoundModel, FoundService, SandboxTier } from '../../protocol/index.ts'
import {
  builtinProviders,
  keyNameOf,
  minContextTokens,
  type ModelChoice,
  setupChanges,
  tooFewContextTokens,
  usualContextTokens,
} from '../../config/index.ts'
import type { Terminal } from '../terminal.ts'
import { plainLine } from '../../terminal/index.ts'
import { assertUsable, describePlan, findServices, isSet, lookAt, microDollars, type SetupPlan } from './init-plan.ts'

type Streams = Pick<Terminal, 'input' | 'output'>

/** @throws OxbowError `cancelled` for Ctrl+C or Escape */
export async function askPlan(setup: GuestSetup, terminal: Terminal): Promise<SetupPlan> {
  const streams: Streams = { input: terminal.input, output: terminal.output }
  intro('Setting up Oxbow', streams)
  const services = await lookForServices(setup, streams)
  const chosen = await askUsableModel(services, setup, streams)
  const tiers = findTiers(setup)
  const key = await askKey(chosen, setup, streams)
  const budget = chosen.kind === 'service' || chosen.kind === 'address' ? await askBudget(streams) : null
  const model = chosen.kind === 'address' && budget !== null ? { ...chosen, price: await askPrice(streams) } : chosen
  const trying = spinner({ output: streams.output })
  trying.start('Trying the sandboxes of this machine')
  // A slow engine must not keep the person waiting: what is not known by then can be chosen.
  await Promise.race([tiers.over, sleep(tierLookMs, undefined, { ref: false })])
  trying.stop(`Tried ${tiers.found.size} of ${Object.keys(tierHints).length} sandboxes.`)
  const tier = await askTier(tiers.found, setup, streams)
  const plan = { model, key, budget, tier }
  const does = describePlan(plan, setup)
  log.message(`This will ${plainLine(does, planChars)}.`, streams)
  if (!answered(await confirm({ message: 'Do that?', ...streams }))) throw cancelled()
  outro('Setting it up …', streams)
  return plan
}

const planChars = 1_000
/** After the questions before it, most tiers have been tried. */
const tierLookMs = 5_000

function cancelled(): OxbowError {
  return new OxbowError('cancelled', 'nothing was changed', { hint: '`oxbow init` starts again.' })
}

function answered<Value>(value: Value): Exclude<Value, symbol> {
  if (isCancel(value)) throw cancelled()
  return value as Exclude<Value, symbol>
}

async function lookForServices(setup: GuestSetup, streams: Streams): Promise<readonly FoundService[]> {
  const looking = spinner({ output: streams.output })
  looking.start('Looking for models on this machine')
  const services = (await findServices(setup)).filter(({ models }) => models.length > 0)
  looking.stop(services.length === 0 ? 'No model service runs on this machine.' : `Found ${services.map(({ name }) => name).join(', ')}.`)
  return services
}

/** Asks until the answer is a model with which Oxbow starts. */
async function askUsableModel(services: readonly FoundService[], setup: GuestSetup, streams: Streams): Promise<ModelChoice> {
  for (;;) {
    const chosen = await askModel(services, setup, streams)
    try {
      await assertUsable(setupChanges({ model: chosen, tier: null }), setup)
      return chosen
    } catch (error) {
      if (!isOxbowError(error, 'bad_config')) throw error
      log.warn(plainLine(failureSentences(error), planChars), streams)
    }
  }
}

/** Offered by name; any other is an answer to "another service". */
const offered = ['anthropic', 'openai', 'google', 'openrouter'] as const

async function askModel(services: readonly FoundService[], setup: GuestSetup, streams: Streams): Promise<ModelChoice> {
  const { env } = setup
  const hosted = offered.map((provider) => {
    const { name, keyEnv } = builtinProviders[provider]!
    const variable = keyEnv.find((each) => isSet(env, each))
    return { value: provider, label: name, hint: variable === undefined ? 'needs a key' : `${variable} is set` }
  })
  const keyed = offered.find((provider) => builtinProviders[provider]!.keyEnv.some((name) => isSet(env, name)))
  const local = services.map((service) => ({
    value: `local ${service.id}`,
    label: `${service.name}: ${plainLine(service.models[0]!.name, nameChars)}`,
    hint: 'on this machine',
  }))
  const chosen = answered(
    await select<string>({
      message: 'Which model should Oxbow use?',
      options: [
        ...local,
        ...hosted,
        { value: 'other', label: 'Another service', hint: 'Groq, Mistral, DeepSeek, xAI, …' },
        { value: 'address', label: 'An address that speaks the protocol of OpenAI' },
        { value: 'offline', label: 'None for now', hint: 'the offline interpreter knows plain requests' },
      ],
      ...(keyed !== undefined && { initialValue: keyed }),
      ...streams,
    }),
  )
  if (chosen === 'offline') return { kind: 'offline' }
  if (chosen === 'address') return askAddress(setup, streams)
  if (chosen.startsWith('local ')) {
    const service = services.find(({ id }) => chosen === `local ${id}`)!
    return { kind: 'local', service, model: await askLocalModel(service, streams) }
  }
  const provider = chosen === 'other' ? await askProvider(streams) : chosen
  const { defaultModel } = ownValue(builtinProviders, provider)!
  return { kind: 'service', provider, model: await askText('Which of its models?', defaultModel, streams) }
}

const nameChars = 60

function askProvider(streams: Streams): Promise<string> {
  const others = Object.entries(builtinProviders).filter(
    ([id, { keyEnv, baseUrl }]) => keyEnv.length > 0 && baseUrl !== '' && !offered.some((each) => each === id),
  )
  const options = others.map(([value, { name }]) => ({ value, label: name }))
  return select<string>({ message: 'Which service?', options, ...streams }).then((value) => answered(value))
}

function askLocalModel({ models }: FoundService, streams: Streams): Promise<string> {
  if (models.length === 1) return Promise.resolve(models[0]!.name)
  const options = models.map(({ name, contextTokens }) => ({
    value: name,
    label: plainLine(name, nameChars),
    ...(contextTokens !== null && { hint: `${contextTokens} tokens` }),
  }))
  return select<string>({ message: 'Which of its models?', options, maxItems: 10, ...streams }).then((value) => answered(value))
}

async function askAddress(setup: GuestSetup, streams: Streams): Promise<ModelChoice> {
  const isAddress = (value = ''): string | undefined =>
    /^https?:\/\/\S+$/.test(value) && URL.canParse(value) ? undefined : 'Give an address such as http://localhost:8080/v1.'
  const typed = answered(await text({ message: 'Its address', placeholder: 'http://localhost:8080/v1', validate: isAddress, ...streams }))
  const { baseUrl, models } = await lookedAt(typed, setup, streams)
  const model = await askListedModel(models ?? [], streams)
  const { contextTokens } = await lookAt(setup, baseUrl, model)
  const size = await askText(
    'Its context window in tokens, as the service has it',
    String(contextTokens ?? usualContextTokens),
    streams,
    (value) => (!/^\d{1,9}$/.test(value) ? 'Give a whole number.' : Number(value) < minContextTokens ? tooFewContextTokens : undefined),
  )
  return { kind: 'address', baseUrl, model, contextTokens: Number(size) }
}

/** Offers the address that works, where the one that was typed does not. */
async function lookedAt(
  baseUrl: string,
  setup: GuestSetup,
  streams: Streams,
): Promise<Pick<AddressModels, 'models'> & { baseUrl: string }> {
  const { models, betterUrl } = await lookAt(setup, baseUrl)
  if (betterUrl === '') return { baseUrl, models }
  const message = `${plainLine(baseUrl, planChars)} lists no models, and ${plainLine(betterUrl, planChars)} does. Use that?`
  const isBetter = answered(await confirm({ message, ...streams }))
  return isBetter ? { baseUrl: betterUrl, models: (await lookAt(setup, betterUrl)).models } : { baseUrl, models }
}

/** Of those that the service lists, or any other by its name. */
async function askListedModel(models: readonly FoundModel[], streams: Streams): Promise<string> {
  const listed = models.map(({ name }) => ({ value: name, label: plainLine(name, nameChars) }))
  const other = { value: '', label: 'Another one, by its name' }
  const message = 'Which of its models?'
  const chosen =
    listed.length === 0 ? '' : answered(await select<string>({ message, options: [...listed, other], maxItems: 10, ...streams }))
  return chosen === '' ? askText('The name of the model', '', streams) : chosen
}

/** @param usual taken for an empty answer; empty: an answer is needed */
async function askText(message: string, usual: string, streams: Streams, check?: (value: string) => string | undefined): Promise<string> {
  const validate = (value = ''): string | undefined => {
    const entered = value.trim() === '' ? usual : value.trim()
    return entered === '' ? 'This is needed.' : check?.(entered)
  }
  return answered(await text({ message, validate, ...(usual !== '' && { placeholder: usual, defaultValue: usual }), ...streams })).trim()
}

/** Keys are typed hidden, and stored encrypted; one in the environment stays there. */
async function askKey(model: ModelChoice, { env }: GuestSetup, streams: Streams): Promise<SetupPlan['key']> {
  if (model.kind !== 'service' && model.kind !== 'address') return null
  const provider = model.kind === 'service' ? model.provider : 'openai'
  const variable = ownValue(builtinProviders, provider)!.keyEnv.find((name) => isSet(env, name))
  if (variable !== undefined && model.kind === 'service') {
    log.info(`The key is taken from the variable ${variable}.`, streams)
    return { variable }
  }
  const name = keyNameOf(provider)
  const isFree = model.kind === 'address'
  const message = isFree ? 'Its key, if it needs one (not shown, stored encrypted)' : `Its key (not shown, stored encrypted as ${name})`
  const validate = (value = ''): string | undefined => (value.trim() === '' && !isFree ? 'Paste the key, or press Ctrl+C.' : undefined)
  const value = (answered(await password({ message, validate, ...streams })) ?? '').trim()
  return value === '' ? null : { name, value }
}

async function askBudget(streams: Streams): Promise<number | null> {
  const isAmount = (value: string): string | undefined =>
    /^\d{1,6}(\.\d{1,6})?$/.test(value) ? undefined : 'Give an amount such as 2.50, or 0 for no limit.'
  const dollars = Number(await askText('At most how many dollars a day? 0: no limit', '5', streams, isAmount))
  return dollars === 0 ? null : dollars
}

/** Without it, a budget in dollars would refuse every request. */
async function askPrice(streams: Streams): Promise<{ readonly input: number; readonly output: number }> {
  const ask = async (what: string): Promise<number> => {
    const message = `What does a million tokens that it ${what} cost, in dollars? 0: nothing`
    return microDollars(
      Number(
        await askText(message, '0', streams, (value) => (/^\d{1,6}(\.\d{1,6})?$/.test(value) ? undefined : 'Give an amount such as 0.25.')),
      ),
    )
  }
  return { input: await ask('reads'), output: await ask('writes') }
}

const tierHints: Readonly<Record<SandboxTier, string>> = {
  process: 'namespaces: starts at once',
  container: 'podman or docker',
  micro_vm: 'a virtual machine: strongest, slowest',
}

/** Tries every tier, which takes seconds; `over` never rejects. */
function findTiers(setup: GuestSetup): { readonly found: ReadonlyMap<SandboxTier, DoctorCheck>; readonly over: Promise<void> } {
  const found = new Map<SandboxTier, DoctorCheck>()
  return { found, over: tryTiers(setup, found) }
}

async function tryTiers(setup: GuestSetup, found: Map<SandboxTier, DoctorCheck>): Promise<void> {
  try {
    for await (const line of askOffline(setup, { command: 'doctor' })) {
      const check = line as DoctorCheck
      const [, tier] = /^(process|container|micro_vm) tier$/.exec(check.name) ?? []
      if (tier !== undefined) found.set(tier as SandboxTier, check)
      if (tier === 'micro_vm') break
    }
  } catch {
    // The question then says nothing about this machine.
  }
}

async function askTier(found: ReadonlyMap<SandboxTier, DoctorCheck>, { config }: GuestSetup, streams: Streams): Promise<SandboxTier> {
  const options = (Object.keys(tierHints) as SandboxTier[]).map((tier) => {
    const check = found.get(tier)
    const isMissing = check?.state === 'missing'
    return {
      value: tier,
      label: tier.replace('_', ' '),
      hint: isMissing ? `not here: ${plainLine(check.says, nameChars)}` : tierHints[tier],
      disabled: isMissing,
    }
  })
  const usable =
    options.find(({ value, disabled }) => value === config.sandbox.tier && !disabled) ?? options.find(({ disabled }) => !disabled)
  if (usable === undefined) {
    log.warn('No sandbox works here yet: agents have no files and no commands. `oxbow doctor` says what to install.', streams)
    return config.sandbox.tier
  }
  return answered(
    await select<SandboxTier>({
      message: 'How should files and commands of agents be isolated?',
      options,
      initialValue: usable.value,
      ...streams,
    }),
  )
}

/** The offer at the first start without a model. */
export async function isWanted({ input, output }: Streams): Promise<boolean> {
  const wanted = await confirm({
    message: 'No model is set up: you would talk to the offline interpreter. Set one up now?',
    active: 'yes',
    inactive: 'later, with `oxbow init`',
    input,
    output,
  })
  return wanted === true
}
