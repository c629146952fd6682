/** The calls about approvals: what waits, deciding it, and the rules that were learned from decisions. */
import { z } from 'zod'
import {
  type Answer,
  answerOf,
  type Approvals,
  boundDigest,
  type Core,
  type Decided,
  type Documents,
  type Journal,
  neededApprovals,
  readInputs,
  type Registry,
  type Asking,
} from '../../kernel/index.ts'
import { type CallId, type Json, type JsonObject, OxbowError, type SessionId, toError } from '../../base/index.ts'
import {
  type Call,
  type CallContext,
  type Caller,
  defineCall,
  idOrEmpty,
  labelSchema,
  type PendingApproval,
  pendingApproval,
} from '../../protocol/index.ts'
import type { Config } from '../../config/index.ts'
import { allWaiting, asksAgain, decisionsOn, findParked, notWaiting, waitingIn } from './parked-calls.ts'
import { makersOf } from './keys.ts'
import { describeRule, learnRule, readRules, type Rule, ruleCategory, ruleScopes, settingsDigest } from './rules.ts'

/** Learned rules of a user: each question looks through them. */
const maxRules = 500

export interface ApprovalCallDeps {
  readonly documents: Documents
  readonly approvals: Approvals
  readonly journal: Journal
  readonly registry: Pick<Registry, 'parse' | 'find' | 'references'>
  readonly approvalConfig: Config['approval']
  /** Rules hold the digest of these. */
  readonly settings: Pick<Config, 'sandbox' | 'egress'>
  readonly recovered: Core['recovered']
}

const shared = { audience: ['terminal'], labels: { adds: [], sink: false }, timeoutMs: 10_000 } as const satisfies Partial<Call>

export function approvalCalls(deps: ApprovalCallDeps): readonly Call[] {
  return [listApprovals(deps), decideCall(deps), listRules(deps), revokeRule(deps)]
}

const approvalView = pendingApproval.extend({
  expires_at: z.number().nullable(),
  allowed_by: z.array(z.string()).readonly().describe('Who has allowed it, where another person must.'),
  rules: z
    .array(z.strictObject({ scope: z.enum(ruleScopes), id: z.string(), text: z.string() }))
    .readonly()
    .describe('The rules that an approval could keep.'),
})

type ApprovalView = z.infer<typeof approvalView>

function listApprovals(deps: ApprovalCallDeps): Call {
  const { journal, approvalConfig } = deps
  return defineCall({
    ...shared,
    name: 'approval.list',
    routes: [{ method: 'GET', path: '/approvals', list: '' }],
    summary: 'Lists the calls that wait for approval, with the rules that approving them could keep.',
    input: z.strictObject({ session: z.string().describe('Only calls of this session.').optional() }) as unknown as z.ZodType<{
      session?: SessionId | undefined
    }>,
    output: z.array(approvalView),
    example: {},
    tier: 'read_only',
    right: 'call.decide',
    effect: 'none',
    labels: { adds: ['private'], sink: false },
    recordOutput: (waiting) => ({ waiting: waiting.length }),
    async run({ session }, { caller }) {
      const all = await (session === undefined ? allWaiting(deps) : waitingIn(deps, session))
      const views = all.map(async (waiting): Promise<ApprovalView> => {
        const records = await journal.store.records({
          call: waiting.call,
          phases: ['parked', 'decided'],
          order: 'oldest_first',
          limit: 10,
          hydrate: true,
        })
        const decided = records.filter(({ phase }) => phase === 'decided').map(({ body }) => JSON.parse(body) as Decided)
        return {
          ...waiting,
          expires_at: approvalConfig.expire_s === 0 ? null : (records[0]?.at ?? waiting.at) + approvalConfig.expire_s * 1_000,
          allowed_by: standing(deps, waiting, decided),
          rules: rulesFor(deps, waiting, caller),
        }
      })
      return { output: await Promise.all(views) }
    },
  })
}

/** @returns who has already allowed the waiting input of a call that needs two people; a yes to earlier files does not count */
function standing({ approvalConfig }: ApprovalCallDeps, waiting: PendingApproval, decided: readonly Decided[]): readonly string[] {
  if (neededApprovals(waiting.name, approvalConfig) < 2) return []
  return decided.filter(({ allow, input }) => allow && input === waiting.input).map(({ by }) => by)
}

/** @returns the rules that can be learned from a waiting call, the narrowest first, each once */
function rulesFor(deps: ApprovalCallDeps, waiting: PendingApproval, { actor }: Caller): ApprovalView['rules'] {
  if (noRule(deps, waiting.name) !== '') return []
  const found = new Map<string, ApprovalView['rules'][number]>()
  for (const scope of ruleScopes) {
    try {
      const rule = learnFrom(deps, waiting, { scope, labels: true }, JSON.parse(waiting.input), actor)
      if (!found.has(rule.id)) found.set(rule.id, { scope, id: rule.id, text: describeRule(rule) })
    } catch (error) {
      if (!(error instanceof OxbowError)) throw error
    }
  }
  return [...found.values()]
}

/** @returns why no rule can allow a call; empty: one can */
function noRule({ approvalConfig }: ApprovalCallDeps, name: string): string {
  if (approvalConfig.mode === 'manual') return 'approval.mode is "manual", which asks about each call, so no rule can allow one.'
  return neededApprovals(name, approvalConfig) > 1 ? `${name} needs two people each time, so no rule can allow it.` : ''
}

function learnFrom(
  deps: ApprovalCallDeps,
  waiting: PendingApproval,
  { scope, rule: shown, labels = false }: NonNullable<DecideInput['remember']>,
  input: unknown,
  by: string,
): Rule {
  const { call, name, session, labels: held = [], inputs = null } = waiting
  const asked = deps.registry.find(name)
  if (asked?.asks !== undefined)
    throw new OxbowError('bad_input', `${name} always asks; no rule can answer it.`, { hint: 'Decide it without remember.' })
  if (held.length > 0 && !labels)
    throw new OxbowError(
      'bad_input',
      `${name} asks because of what the conversation has read; a rule without these labels would not apply.`,
      {
        hint: 'Set remember.labels to allow it after reading such data, or approve it only once.',
      },
    )
  // A rule for files holds for whatever is in them.
  const runs = asked?.starts === undefined ? null : inputs
  const asking: Asking = { call: name, input, session, labels: held, inputs: runs, content: asked?.content, argv: asked?.argv }
  const rule = learnRule(scope, asking, settingsDigest(deps.settings), { by, at: waiting.at, from: call })
  if (shown === undefined || shown === rule.id) return rule
  throw new OxbowError('bad_input', 'The rule is not the one that was shown.', { hint: `It would be: ${describeRule(rule)}` })
}

type DecideInput = z.infer<typeof decideInput>
const decideOutput = z.strictObject({
  decided: z.boolean(),
  rule: z.string().nullable().describe('The rule that was kept.'),
  next: z.string().describe('What must still happen; empty when it is decided.'),
})

type DecideOutput = z.infer<typeof decideOutput>

const decideInput = z.strictObject({
  call: z.string().describe('Id of the waiting call.') as unknown as z.ZodType<CallId>,
  allow: z.boolean().describe('True runs the call, false denies it.'),
  question: z
    .string()
    .max(100)
    .describe('What was asked, as the waiting call names it: a yes to another question is refused. Absent: whatever it asks now.')
    .optional(),
  reason: z.string().max(2_000).describe('Why it is denied; the model reads it.').optional(),
  input: z.json().describe('Runs instead of the input that waits. It is checked like any input.').optional(),
  remember: z
    .strictObject({
      scope: z
        .enum(ruleScopes)
        .describe('call: exactly this input; pattern: inputs like it; session: those in this session; folder: in this folder.'),
      rule: z.string().max(100).describe('Id of the rule as approval.list shows it; another is not kept.').optional(),
      labels: z.boolean().describe('Also where the conversation has read what makes the call ask now.').optional(),
    })
    .describe('Keeps a rule that allows such calls from now on.')
    .optional(),
})

function decideCall(deps: ApprovalCallDeps): Call {
  /** Calls whose decision is being recorded. */
  const deciding = new Set<CallId>()
  return defineCall({
    ...shared,
    name: 'call.decide',
    routes: [{ method: 'POST', path: '/approvals/{call}' }],
    summary: 'Approves or denies a call that is waiting for approval; may change its input, or keep a rule for such calls.',
    input: decideInput,
    output: decideOutput,
    example: { call: '01890a5d-ac96-774b-bcce-b302099a8057.0' as CallId, allow: true },
    tier: 'side_effecting',
    right: 'call.decide',
    effect: 'idempotent',
    async run(input, context) {
      // When two people answer at once, the first decides; the second gets an error instead of a false confirmation.
      if (deciding.has(input.call)) throw notWaiting(input.call)
      deciding.add(input.call)
      try {
        return { output: await decide(deps, input, context) }
      } finally {
        deciding.delete(input.call)
      }
    },
  })
}

/** Records a person's decision, then wakes the call that waits for it. @throws OxbowError `not_found`, `bad_input`, `denied` */
async function decide(deps: ApprovalCallDeps, decision: DecideInput, context: CallContext): Promise<DecideOutput> {
  const { id, caller: person } = context
  const { actor: by, rights, turn } = person
  const { approvals, journal, documents } = deps
  const { call, allow, reason } = decision
  const live = approvals.find(call)
  const waiting = live ?? (await findParked(deps, call))
  if (waiting === null) throw notWaiting(call)
  if (allow && decision.question !== undefined && decision.question !== waiting.question) throw asksAgain(waiting)
  const needed = neededApprovals(waiting.name, deps.approvalConfig)
  // A yes to it lasts as a rule does, so it needs the same right.
  if (allow && waiting.personal === true) requireKeeping(rights, 'Allowing what was refused', 'Deny it, or use')
  const edited = await checkEdit(deps, decision, waiting, needed)
  if (allow) await requireFit(deps, waiting, edited)
  const about = edited === undefined ? waiting : { ...waiting, inputs: await inputsOf(deps, waiting.name, edited, context) }
  const rule = decision.remember === undefined ? null : await checkRule(deps, decision, about, { by, rights, edited })
  const earlier = needed === 1 ? [] : await decisionsOn(deps, context.clock.now(), waiting)
  const [maker, ...makers] = earlier.length === 0 ? [] : await makersOf(documents, [by, ...earlier.map((one) => one.by)])
  if (allow && maker !== undefined && makers.includes(maker))
    throw new OxbowError('denied', `${by} has allowed this call already, itself or by a key of the same maker; another person must, too.`, {
      hint: 'Decide it as another user, or with an API key that was not made with that key.',
    })

  const answer: Answer = { allow, by, ...(reason !== undefined && { reason }), ...(edited !== undefined && { edited }) }
  const answered = answerOf([...earlier, { ...answer, input: waiting.input }], needed)
  const caller = { actor: by, session: waiting.session, turn: waiting.turn }
  const inputs = boundDigest(waiting.inputs)
  const body = {
    input: waiting.input,
    ...(inputs !== '' && { inputs }),
    ...(answer as unknown as JsonObject),
    ...(answered === undefined && { partial: true }),
  }
  await journal.append([{ caller, call, name: waiting.name, phase: 'decided', body }], { sync: true })
  if (answered === undefined) return { decided: false, rule: null, next: 'Another person must allow it, too.' }
  // Before the call wakes, so that the next one of its turn finds it.
  if (rule !== null) {
    const of = { caller: { actor: by, session: '', turn }, call: id, name: 'call.decide' } as const
    await documents.put(of, [{ category: ruleCategory, name: rule.id, value: rule }])
  }
  // A turn that is still resuming after a restart reads the decision from the journal; a call cancelled meanwhile does not run.
  if (!approvals.decide(call, answered) && live !== undefined) throw notWaiting(call)
  return { decided: true, rule: rule?.id ?? null, next: '' }
}

/** @returns the input that is to run instead, as the call's schema reads it; undefined when the input is not changed */
async function checkEdit(
  { registry }: ApprovalCallDeps,
  { allow, input }: DecideInput,
  { name }: PendingApproval,
  needed: number,
): Promise<Json | undefined> {
  if (input === undefined) return undefined
  if (!allow || needed > 1)
    throw new OxbowError(
      'bad_input',
      allow ? `${name} needs two approvals of the same input, so it cannot be changed.` : 'A denied call has no input.',
      {
        hint: 'Deny it with a reason; the agent can then ask again with another input.',
      },
    )
  const parsed = await registry.parse(name, input)
  if (parsed.ok) return parsed.input as Json
  throw new OxbowError(parsed.failure.code, parsed.failure.message, { hint: parsed.failure.hint })
}

/** @throws OxbowError where the call says that a yes to this input would only fail */
async function requireFit({ registry }: ApprovalCallDeps, { name, input }: PendingApproval, edited: Json | undefined): Promise<void> {
  // Few calls have it, and most answers need not read their input again.
  if (registry.find(name)?.unfit === undefined) return
  const asked = await registry.parse(name, input)
  if (!asked.ok || asked.call.unfit === undefined) return
  // The schema has parsed the edited input already.
  const failure = await asked.call.unfit(edited ?? asked.input, asked.input)
  if (failure !== null && failure !== undefined) throw toError(failure)
}

/** Reads the files of the command that a person wrote in place of the waiting one. */
async function inputsOf({ registry }: ApprovalCallDeps, name: string, input: Json, { sandbox, signal }: CallContext) {
  const parsed = await registry.parse(name, input)
  return parsed.ok && parsed.call.starts !== undefined ? readInputs(sandbox, parsed.call.starts(parsed.input), signal) : null
}

interface Learning {
  readonly by: string
  readonly rights: ReadonlySet<string>
  readonly edited: Json | undefined
}

async function checkRule(
  deps: ApprovalCallDeps,
  { allow, remember }: DecideInput,
  waiting: PendingApproval,
  { by, rights, edited }: Learning,
): Promise<Rule | null> {
  if (remember === undefined) return null
  const why = allow ? noRule(deps, waiting.name) : 'Only what is allowed is remembered.'
  if (why !== '') throw new OxbowError('bad_input', why, { hint: 'Leave `remember` out.' })
  requireKeeping(rights, 'Keeping a rule', 'Approve it only this time, or use')
  if ((await readRules(deps.documents)).length >= maxRules)
    throw new OxbowError('limit_reached', `There are ${maxRules} rules already.`, {
      hint: 'Revoke some: `oxbow approvals rules` lists them.',
    })
  return learnFrom(deps, waiting, remember, edited ?? JSON.parse(waiting.input), by)
}

/** @throws OxbowError `denied` unless one with these rights may change what is allowed from now on */
function requireKeeping(rights: ReadonlySet<string>, what: string, otherwise: string): void {
  if (!rights.has('*') && !rights.has('access.write'))
    throw new OxbowError('denied', `${what} needs the right access.write.`, { hint: `${otherwise} a key with that right.` })
}

const ruleView = z.strictObject({
  id: z.string(),
  call: z.string().describe('Name of the call that it allows.'),
  session: idOrEmpty('SessionId').describe('Empty: any session.'),
  labels: z.array(labelSchema()).readonly().describe('Labels of conversations whose flow of data it allows; empty: none that asks.'),
  by: z.string(),
  at: z.number(),
  text: z.string(),
  applies: z.boolean().describe('False: it was learned under other settings of sandbox or egress, and does not apply now.'),
})

export type RuleView = z.infer<typeof ruleView>

function listRules({ documents, settings, approvalConfig }: ApprovalCallDeps): Call {
  return defineCall({
    ...shared,
    name: 'approval.rules',
    routes: [{ method: 'GET', path: '/approvals/rules', list: '' }],
    summary: 'Lists the learned rules that allow calls without asking.',
    input: z.strictObject({}),
    output: z.array(ruleView),
    example: {},
    tier: 'read_only',
    right: 'access.read',
    effect: 'none',
    recordOutput: (rules) => ({ rules: rules.length }),
    async run() {
      const now = settingsDigest(settings)
      const applies = ({ call, ...rule }: Rule): boolean =>
        rule.settings === now && approvalConfig.mode !== 'manual' && neededApprovals(call, approvalConfig) === 1
      const view = (rule: Rule): RuleView => {
        const { id, call, session, labels, by, at } = rule
        return { id, call, session, labels, by, at, text: describeRule(rule), applies: applies(rule) }
      }
      return { output: (await readRules(documents)).map(view) }
    },
  })
}

function revokeRule({ documents }: ApprovalCallDeps): Call {
  return defineCall({
    ...shared,
    name: 'approval.revoke',
    routes: [{ method: 'DELETE', path: '/approvals/rules/{rule}' }],
    summary: 'Revokes a learned rule: such calls ask again.',
    input: z.strictObject({ rule: z.string().min(1).max(100).describe('Id of the rule.') }),
    output: z.object({ revoked: z.string() }),
    example: { rule: '0f3a9c1b2d4e5f6071829304' },
    tier: 'side_effecting',
    right: 'access.write',
    effect: 'idempotent',
    async run({ rule }, { caller, id }) {
      if ((await documents.get(ruleCategory, rule)) === null)
        throw new OxbowError('not_found', `There is no rule ${JSON.stringify(rule)}.`, { hint: '`oxbow approvals rules` lists them.' })
      await documents.put({ caller, call: id, name: 'approval.revoke' }, [{ category: ruleCategory, name: rule, value: null }], {
        sync: true,
      })
      return { output: { revoked: rule } }
    },
  })
}
