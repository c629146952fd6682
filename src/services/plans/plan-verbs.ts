/** `oxbow plan` and `oxbow apply`: what an agent would do, and doing exactly that. */
import { formatMoney, formatTime, plainLine, plainText, shortId, table } from '../../terminal/index.ts'
import { type ErrorCode, failureSentences, type Failure, OxbowError, plural, textIn } from '../../base/index.ts'
import type { OutputOf, ServiceVerb } from '../../protocol/index.ts'
import { findSession, typedBudget } from '../typed-values.ts'
import { shownInputChars } from './limits.ts'

type Plan = OutputOf<'plan.show'>

const textChars = 80

const show: ServiceVerb = {
  words: 'plan show <plan>',
  summary: 'show what a plan does, its difference, its cost and its digest',
  examples: ['oxbow plan show 0199d2c4', 'oxbow plan show 0199d2c4 --json'],
  call: 'plan.show',
  show: (plan: Plan) => planText(plan),
}

const { '--max-money <dollars>': _, ...otherLimits } = typedBudget('making it')

export const planVerbs: readonly ServiceVerb[] = [
  {
    words: 'plan <text...>',
    summary: 'have a task tried on a branch of the files, and list what it would do outside of them',
    examples: ['oxbow plan "rename the report and tell the list"', 'oxbow plan --session 0199d2c4 --budget 0.50 "now send it"'],
    call: 'plan.make',
    typed: {
      '--session <session>': { field: 'session', help: 'session that it goes on from, which stays as it is' },
      '--model <model>': { field: 'model', help: 'model to use' },
      '--budget <dollars>': { field: 'budget.micro_dollars', help: 'dollars that making it may use' },
      ...otherLimits,
    },
    omit: true,
    async find(input, ask) {
      const session = textIn(input, 'session')
      return session === '' ? input : { ...input, session: (await findSession(ask, session)).id }
    },
    show: (plan: Plan) => planText(plan),
    notice: (plan: Plan) => nextText(plan),
    fails: (plan: Plan) => (plan.failure === null ? null : failed(plan.failure)),
  },
  {
    words: 'plan list',
    summary: 'list plans',
    examples: ['oxbow plan list', 'oxbow plan list --all'],
    call: 'plan.list',
    typed: { '--all': { field: 'ended', value: true, help: 'also those that were applied or dropped, or have failed' } },
    lists: { plan: 'id' },
    lines: ({ plans }: OutputOf<'plan.list'>) => plans,
    empty: 'There are no plans.',
    show: ({ plans }: OutputOf<'plan.list'>) => listText(plans),
  },
  show,
  {
    words: 'plan drop <plan>',
    summary: 'drop a plan and its branch of files',
    examples: ['oxbow plan drop 0199d2c4', 'oxbow plan drop 0199d2c4 --dry-run'],
    call: 'plan.drop',
    async preview(input, ask) {
      const { id, state, text } = await ask('plan.drop', { ...input, dry_run: true })
      const target = { id, state, text }
      if (state === 'dropped' || state === 'applied') return { would: '', nothing: `${id} is ${state}.`, target }
      return { would: `drop the plan ${id}`, target }
    },
    show: ({ id, state }: Plan) => (state === 'dropped' ? `Dropped ${id}.` : `${id} is ${state}.`),
  },
  {
    words: 'apply <plan>',
    summary: 'do exactly what a plan lists, without a model',
    examples: ['oxbow apply 0199d2c4', 'oxbow apply 0199d2c4 --dry-run', 'oxbow apply 0199d2c4 --digest DIGEST'],
    call: 'plan.apply',
    typed: {
      '--digest <digest>': { field: 'digest', help: 'apply it without a question, as `plan show --json` has shown it with this digest' },
      '--skip-unknown': { field: 'skip_unknown', value: true, help: 'go on behind a step whose outcome a crash has hidden' },
    },
    agree: {
      by: show,
      field: 'digest',
      question: (name) => `Apply ${name}?`,
      declined: 'Nothing was done.',
      settled: ({ id, state }: Plan) => (state === 'applied' ? `${id} is applied already.` : ''),
    },
    async preview(input, ask) {
      const { digest: seen } = await ask('plan.show', { plan: input['plan']! })
      const { id, digest, total, effects } = await ask('plan.apply', { digest: seen, ...input, dry_run: true })
      return { would: `apply the plan ${id}: ${plural(total, 'file')}, ${plural(effects.length, 'effect')}`, target: { id, digest } }
    },
    show: (plan: Plan, { text }) => appliedText(plan, text),
    fails: (plan: Plan) => (plan.applied?.failure == null ? null : failed(plan.applied.failure)),
  },
]

function failed({ code, message, hint }: Failure): OxbowError {
  return new OxbowError(code satisfies ErrorCode, message, { hint })
}

function listText(plans: OutputOf<'plan.list'>['plans']): string {
  const ids = plans.map(({ id }) => id)
  const rows = plans.map(({ id, state, text, total, effects, created_at: at }) => [
    shortId(id, ids),
    state,
    `${total}`,
    `${effects}`,
    formatTime(at),
    plainLine(text, textChars),
  ])
  return table([['ID', 'STATE', 'FILES', 'EFFECTS', 'MADE', 'TASK'], ...rows])
}

function planText(plan: Plan): string {
  const { id, state, text, effects, ends, reply, difference, total, spent, costs, digest, failure } = plan
  if (failure !== null) return plainText(failureSentences(failure))
  const steps = effects.map((one) => [
    `${one.n}.`,
    one.call,
    one.asks ? 'asks' : '',
    one.outside ? 'outside' : '',
    plainLine(JSON.stringify(one.input), shownInputChars),
  ])
  const most =
    costs.most.tokens + costs.most.micro_dollars === 0
      ? 'nothing'
      : `up to ${formatMoney(costs.most.micro_dollars)}, ${costs.most.tokens} tokens`
  const parts = [
    `Plan ${id} (${state}): ${plainLine(text, textChars)}`,
    total === 0 ? 'No file changes.' : `${plural(total, 'file')}, applied first, all or none.`,
    effects.length === 0 ? 'No effects outside of the files.' : table(steps),
    ends === '' ? '' : `The plan ends there: ${plainText(ends)}`,
    plainText(difference.trimEnd()),
    plainText(reply),
    `Making it has cost ${formatMoney(spent.micro_dollars)}, ${spent.tokens} tokens; applying it costs ${most}.\nDigest ${digest}`,
  ]
  return parts.filter((part) => part !== '').join('\n\n')
}

function nextText({ id, state, total, effects }: Plan): string {
  if (state !== 'ready') return ''
  if (total + effects.length === 0) return `There is nothing to apply. Drop it: oxbow plan drop ${id}`
  return `Nothing was done yet. Do it: oxbow apply ${id}`
}

/** @param said by the call, which knows whether it was this one that applied it */
function appliedText({ id, state, total, applied }: Plan, said: string): string {
  const done = applied?.done.filter(({ status }) => status === 'ok').length ?? 0
  const back = total + done === 0 ? '' : '\n`oxbow undo` takes it back, but for what reached outside.'
  return state === 'applied' ? `${said}${back}` : `${id} is ${state}: ${plural(done, 'effect')} done.`
}
