/**
 * The calls about goals. A person sees and changes all of them; an agent those that its own conversation has started. What they return carries
 * the labels of what was read for the goal.
 */
import { z } from 'zod'
import type { JsonObject } from '../../base/index.ts'
import { type Call, defineCall, evident } from '../../protocol/index.ts'
import { askCall } from './goal-ask.ts'
import type { GoalDesk } from './goal-desk.ts'
import { isOver } from './goal-record.ts'
import { goalSummary, type GoalView, goalView, lineageView, startInput } from './goal-view.ts'
import { maxGoalWaitS } from './limits.ts'

type Load = () => Promise<GoalDesk>

const shared = {
  rare: true,
  audience: ['model', 'terminal'],
  right: 'agent.use',
  labels: { adds: [], sink: false },
  timeoutMs: 60_000,
} as const satisfies Partial<Call>
const byPerson = { ...shared, audience: ['terminal'] } as const satisfies Partial<Call>

const goalRef = z.string().min(1).max(100).meta(evident('Id of the goal, or its beginning.'))
const exampleId = '0fd2b0d1-53a1-8c77-a1d0-6f0d2f3d8a11'
const recorded = ({ id, status, phase, generation }: GoalView): JsonObject => ({ goal: id, outcome: status, phase, generation })

export function goalCalls(load: Load): readonly Call[] {
  return [
    startCall(load),
    showCall(load),
    listCall(load),
    lineageCall(load),
    answerCall(load),
    editCall(load),
    pauseCall(load),
    resumeCall(load),
    stopCall(load),
    askCall(),
  ]
}

function shown(view: GoalView): { output: GoalView; text: string; labels: GoalView['labels']; ok: boolean } {
  return { output: view, text: goalText(view), labels: view.labels, ok: view.status !== 'ended' && view.status !== 'failed' }
}

/** How a goal is, in a few lines. */
function goalText({ id, status, phase, generation, questions, end, best, failure }: GoalView): string {
  const where = status === 'running' ? `${phase}, generation ${generation}` : status
  const score = best === null ? '' : `, best score ${best.score.toFixed(2)}`
  const asked = questions.map(({ text, choices }) => `? ${text}${choices.length === 0 ? '' : ` (${choices.join(', ')})`}`)
  return [
    `Goal ${id}: ${where}${score}`,
    ...asked,
    ...(end === null ? [] : [end.text]),
    ...(failure === '' || end !== null ? [] : [failure]),
  ].join('\n')
}

function startCall(load: Load): Call {
  return defineCall({
    ...shared,
    name: 'goal.start',
    routes: [{ method: 'POST', path: '/goals', status: 201 }],
    summary: 'Begins to work on a goal: asks what is unclear, has it done on a branch of files, checks it, and tries again.',
    input: startInput,
    output: goalView,
    example: { request: 'Make the tests in /shared/app pass.', just_do_it: false, review: false },
    tier: 'side_effecting',
    does: ['delegate'],
    right: 'agent.spawn',
    effect: 'idempotent',
    recordOutput: recorded,
    compensation: ({ id }) => ({ call: 'goal.stop', input: { goal: id } }),
    async run(input, { id, caller }) {
      const desk = await load()
      return shown(await desk.view(await desk.start(caller, id, input)))
    },
  })
}

function showCall(load: Load): Call {
  return defineCall({
    ...shared,
    name: 'goal.show',
    waitsFor: 'child',
    routes: [{ method: 'GET', path: '/goals/{goal}' }],
    summary: 'Shows a goal: where it is, what it asks, its seed and newest generations.',
    input: z.strictObject({
      goal: goalRef,
      wait_s: z.number().min(0).max(maxGoalWaitS).default(0).meta(evident('Seconds to wait for a change.')),
      seen: z.int().min(0).optional().meta(evident('Waits only until its `step` is another one, or it asks or ends.')),
    }),
    output: goalView,
    example: { goal: exampleId, wait_s: 0 },
    tier: 'read_only',
    effect: 'none',
    timeoutMs: (maxGoalWaitS + 30) * 1_000,
    recordOutput: recorded,
    async run({ goal: ref, wait_s: seconds, seen }, { caller, signal }) {
      const desk = await load()
      const { id } = await desk.find(caller, ref)
      const isElsewhere = async (): Promise<boolean> => {
        const goal = await desk.runs.find(id)
        if (goal === null || isOver(goal)) return true
        return seen !== undefined && (goal.step !== seen || (await desk.view(goal)).waiting_for.startsWith('an '))
      }
      if (seconds > 0) await desk.runs.until(id, isElsewhere, seconds * 1_000, signal)
      return shown(await desk.view(await desk.find(caller, id)))
    },
  })
}

function listCall(load: Load): Call {
  return defineCall({
    ...shared,
    name: 'goal.list',
    routes: [{ method: 'GET', path: '/goals', list: 'goals' }],
    summary: 'Lists goals, the newest first.',
    input: z.strictObject({
      all: z.boolean().default(false).meta(evident('Also those that are over.')),
      limit: z.int().min(1).max(200).default(50),
    }),
    output: z.strictObject({ goals: z.array(goalSummary).readonly() }),
    example: { all: true, limit: 50 },
    tier: 'read_only',
    effect: 'none',
    recordOutput: ({ goals }) => ({ goals: goals.length }),
    async run({ all, limit }, { caller }) {
      const { goals, labels } = await (await load()).list(caller, all, limit)
      const lines = goals.map(
        ({ id, status, phase, request }) => `${id}: ${status === 'running' ? phase : status}: ${request.split('\n', 1)[0]}`,
      )
      return { output: { goals }, text: lines.join('\n') || 'There are no goals.', labels }
    },
  })
}

function lineageCall(load: Load): Call {
  return defineCall({
    ...shared,
    name: 'goal.lineage',
    routes: [{ method: 'GET', path: '/goals/{goal}/lineage' }],
    summary: 'Shows the seeds of a goal, each with its parent, its score and what was found.',
    input: z.strictObject({
      goal: goalRef,
      after: z.int().min(0).default(0).meta(evident('Only generations after this one.')),
      limit: z.int().min(1).max(1_000).default(100),
    }),
    output: z.strictObject({ generations: z.array(lineageView).readonly(), total: z.int() }),
    example: { goal: exampleId, after: 0, limit: 100 },
    tier: 'read_only',
    effect: 'none',
    recordOutput: ({ generations, total }) => ({ generations: generations.length, total }),
    async run({ goal: ref, after, limit }, { caller }) {
      const desk = await load()
      const goal = await desk.find(caller, ref)
      const found = await desk.generations(goal, after, limit)
      const generations = await Promise.all(
        found.map(async ({ number, seed: hash, outcome, notes }) => {
          const { parent, by } = await desk.seed(hash)
          const best = goal.best?.generation === number
          return {
            number: number + 1,
            seed: hash,
            parent,
            by,
            score: outcome?.score ?? null,
            passed: outcome?.passed ?? false,
            notes,
            best,
          }
        }),
      )
      const lines = generations.map(({ number, seed, score, passed, best }) => {
        const came = score === null ? 'under way' : `${passed ? 'passed' : 'not passed'}, ${score.toFixed(2)}`
        return `${number}: seed ${seed.slice(0, 12)}: ${came}${best ? ', the best' : ''}`
      })
      const { labels } = await desk.view(goal)
      return { output: { generations, total: goal.generation + 1 }, text: lines.join('\n') || 'Nobody has worked on it yet.', labels }
    },
  })
}

function answerCall(load: Load): Call {
  return defineCall({
    ...byPerson,
    name: 'goal.answer',
    routes: [{ method: 'POST', path: '/goals/{goal}/answers' }],
    summary: 'Answers what a goal asks, in the order of its questions.',
    input: z.strictObject({
      goal: goalRef,
      answers: z.array(z.json()).max(10).default([]).describe('None: go on, and decide what is open.'),
    }),
    output: z.strictObject({ goal: z.string(), answered: z.int() }),
    example: { goal: exampleId, answers: ['CSV', 'yes'] },
    tier: 'side_effecting',
    right: 'call.decide',
    effect: 'idempotent',
    recordInput: ({ goal, answers }) => ({ goal, answers: answers.length }),
    async run({ goal: ref, answers }, { caller, signal }) {
      const desk = await load()
      const goal = await desk.find(caller, ref)
      await desk.answer(caller, goal, answers, signal)
      const text = answers.length === 0 ? 'It goes on, and decides what is open.' : `Answered ${answers.length}.`
      return { output: { goal: goal.id, answered: answers.length }, text }
    },
  })
}

function editCall(load: Load): Call {
  return defineCall({
    ...byPerson,
    name: 'goal.edit',
    routes: [{ method: 'PUT', path: '/goals/{goal}/seed' }],
    summary: 'Puts another seed in the place of a goal’s, before anybody works on it. It has a hash of its own.',
    input: z.strictObject({ goal: goalRef, seed: z.json().describe('The whole seed: goal, constraints, criteria, tests, tasks.') }),
    output: z.strictObject({ goal: z.string(), seed_hash: z.string() }),
    example: { goal: exampleId, seed: { goal: 'All tests pass.', criteria: [{ text: 'npm test passes', check: null }] } },
    tier: 'side_effecting',
    right: 'agent.spawn',
    effect: 'idempotent',
    async run({ goal: ref, seed }, { caller }) {
      const desk = await load()
      const goal = await desk.find(caller, ref)
      const hash = await desk.edit(goal, seed)
      return { output: { goal: goal.id, seed_hash: hash }, text: `The seed is ${hash.slice(0, 12)} now.` }
    },
  })
}

const changes = { ...byPerson, tier: 'side_effecting', effect: 'idempotent', output: goalView, recordOutput: recorded } as const

function pauseCall(load: Load): Call {
  return defineCall({
    ...changes,
    name: 'goal.pause',
    routes: [{ method: 'POST', path: '/goals/{goal}/pause' }],
    summary: 'Pauses a goal and who works for it, each before its next step.',
    input: z.strictObject({ goal: goalRef }),
    example: { goal: exampleId },
    async run({ goal: ref }, { id, caller }) {
      const desk = await load()
      return shown(await desk.view(await desk.pause(caller, id, await desk.find(caller, ref))))
    },
  })
}

function resumeCall(load: Load): Call {
  return defineCall({
    ...changes,
    name: 'goal.resume',
    routes: [{ method: 'POST', path: '/goals/{goal}/resume' }],
    summary: 'Goes on with a goal that is paused.',
    input: z.strictObject({ goal: goalRef }),
    example: { goal: exampleId },
    right: 'agent.spawn',
    async run({ goal: ref }, { id, caller }) {
      const desk = await load()
      return shown(await desk.view(await desk.resume(caller, id, await desk.find(caller, ref))))
    },
  })
}

function stopCall(load: Load): Call {
  return defineCall({
    ...shared,
    name: 'goal.stop',
    routes: [{ method: 'POST', path: '/goals/{goal}/stop' }],
    summary: 'Ends a goal with everything that works for it; the best generation stays on its branch.',
    input: z.strictObject({ goal: goalRef, reason: z.string().max(200).default('').meta(evident('Why.')) }),
    output: goalView.extend({ stopped: z.boolean().describe('False: it was over before.') }),
    example: { goal: exampleId, reason: 'No longer needed.' },
    tier: 'side_effecting',
    does: ['delegate'],
    effect: 'idempotent',
    recordOutput: recorded,
    async run({ goal: ref, reason }, { caller, signal }) {
      const desk = await load()
      const goal = await desk.find(caller, ref)
      const wasOver = isOver(goal)
      if (!wasOver) {
        await desk.runs.end(goal.id, 'person', reason)
        await desk.runs.until(goal.id, async () => isOver((await desk.runs.find(goal.id)) ?? goal), 30_000, signal)
      }
      const view = await desk.view(await desk.find(caller, goal.id))
      return { ...shown(view), output: { ...view, stopped: !wasOver }, ok: true }
    },
  })
}
