/**
 * `oxbow init`: sets up a model, a daily budget and the tier of the sandbox. A terminal asks (`init-wizard.ts`); options answer without
 * one. Both end in a plan, which is carried out here: configuration of the user, a stored secret, a budget, and a look whether it works.
 */
import { askOffline, changeFile, configFileIn, type GuestSetup, keyPlaceOf, masterKeys } from '../../runner/index.ts'
import type { DoctorCheck } from '../../protocol/index.ts'
import { plainText, table } from '../../terminal/index.ts'
import { type GatewayPort, type GuestChoice, guestSetup, outputOf, withGuest } from '../guest-connection.ts'
import { storeSecret } from '../kernel/secrets.ts'
import { isInteractive, printAnswer, printPreview, reportFailure, type Terminal } from '../terminal.ts'
import { ofUser } from '../verb-parts.ts'
import { assertUsable, changesOf, describePlan, type InitOptions, planOf, publicPlan, type SetupPlan } from './init-plan.ts'

/** @throws OxbowError `cancelled`, `bad_input`, or what writing fails with */
export async function init(options: InitOptions, terminal: Terminal): Promise<number> {
  const setup = guestSetup(options, terminal)
  const isAsked = isInteractive(terminal) && options.yes !== true && options.model === undefined && options.json !== true
  const plan = isAsked ? await (await import('./init-wizard.ts')).askPlan(setup, terminal) : await planOf(options, setup, terminal)
  if (options.dryRun === true) return printPreview({ would: describePlan(plan, setup), target: publicPlan(plan) }, options, terminal)
  const report = await carryOut(plan, setup, options, terminal)
  return printAnswer(report, plainText(describeReport(report, options)), options, terminal)
}

/** What was done, for people and as `--json`. */
interface SetupReport {
  readonly file: string
  readonly changed: boolean
  /** Name of the stored key, or of the variable that holds it; null: none is needed or none was given. */
  readonly key: string | null
  readonly is_key_stored: boolean
  /** Dollars a day that hold now; null: no limit. */
  readonly budget: number | null
  readonly tier: string
  /** What the look at the model found. */
  readonly model: Pick<DoctorCheck, 'state' | 'says' | 'fix'>
  /** A guest was running and uses all of this now. */
  readonly restarted: boolean
}

async function carryOut(plan: SetupPlan, setup: GuestSetup, options: InitOptions, terminal: Terminal): Promise<SetupReport> {
  const { home, workspace, env } = setup
  const file = configFileIn(workspace)
  await assertUsable(changesOf(plan), setup)
  const changed = changeFile(home, file, changesOf(plan))
  const { budget, restarted } = await useGuest(plan, options, terminal)
  // The configuration as it is now.
  const next = guestSetup(options, terminal)
  const masters = masterKeys(keyPlaceOf({ home, workspace, config: next.config, env }))
  return {
    file,
    changed,
    key: plan.key === null ? null : 'name' in plan.key ? plan.key.name : plan.key.variable,
    is_key_stored: plan.key !== null && 'name' in plan.key,
    budget,
    tier: next.config.sandbox.tier,
    model: await lookAtModel(next, masters),
    restarted,
  }
}

/**
 * Stores the key and the budget, which are in the database. The guest of a first start needs no model for that, and creates the database.
 * @returns the limit of a day that holds now, and whether a guest that was running has the new configuration
 */
async function useGuest(
  { key, budget }: SetupPlan,
  { user }: InitOptions,
  terminal: Terminal,
): Promise<Pick<SetupReport, 'budget' | 'restarted'>> {
  return withGuest({ user, model: 'offline' }, terminal, async ({ gateway, guest }) => {
    if (key !== null && 'value' in key) await storeSecret(key, gateway)
    const limit = { scope: 'user', window: 'day', micro_dollars: Math.round((budget ?? 0) * 1_000_000) }
    if (budget !== null) await outputOf(gateway, 'budget.set', limit)
    const holds = await dailyLimit(gateway)
    if (!guest.owned) await outputOf(gateway, 'guest.restart', {})
    return { budget: holds, restarted: !guest.owned }
  })
}

/** Asks the service whether it is there and takes the key; nothing is generated. */
async function lookAtModel(setup: GuestSetup, masters: readonly string[]): Promise<SetupReport['model']> {
  for await (const line of askOffline(setup, { command: 'doctor' }, masters)) {
    const { name, state, says, fix } = line as DoctorCheck
    if (name === 'model') return { state, says, fix }
  }
  return { state: 'weak', says: 'the model was not checked', fix: 'Run `oxbow doctor`.' }
}

function describeReport(
  { file, changed, key, is_key_stored: isStored, budget, tier, model, restarted }: SetupReport,
  options: InitOptions,
): string {
  const rows = [
    ['configuration', changed ? `written to ${file}` : `${file} was right already`],
    ['model', model.fix === '' ? model.says : `${model.says} → ${model.fix}`],
    ['key', key === null ? 'none was given' : isStored ? `stored as ${key}, encrypted` : `from $${key}`],
    ['budget', budget === null ? 'no daily limit' : `$${budget} a day`],
    ['sandbox', `the tier ${tier}`],
  ]
  const user = ofUser(options.user)
  const next = [`oxbow chat${user}     talk to it`, `oxbow doctor${user}   check everything`, `oxbow init${user}     change this`]
  return [
    table(rows),
    ...(restarted ? ['The guest that was running uses it now.'] : []),
    '',
    'Next:',
    ...next.map((line) => `  ${line}`),
  ].join('\n')
}

/** Asks whether to set up a model, and does. A failure is reported: the chat works without one. */
export async function offerSetup({ user }: Pick<GuestChoice, 'user'>, terminal: Terminal): Promise<void> {
  const { isWanted } = await import('./init-wizard.ts')
  if (await isWanted(terminal)) await init({ user }, terminal).catch((error: unknown) => reportFailure(terminal, error))
}

/** @returns the dollars that the user may spend in a day; null: without limit */
async function dailyLimit(gateway: GatewayPort): Promise<number | null> {
  const { budgets } = await outputOf(gateway, 'budget.show', {})
  const limit = budgets.find(({ scope, window }) => scope === 'user' && window === 'day')?.limit.micro_dollars ?? null
  return limit === null ? null : limit / 1_000_000
}
