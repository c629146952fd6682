/** The call by which an agent, or a person, delegates many tasks at once. */
import { z } from 'zod'
import { type Call, defineCall } from '../../../protocol/index.ts'
import { delegateFields } from './brief.ts'
import { doneOf } from './delegate-calls.ts'
import { fanOut, type FanOutDeps, fanOutEnd } from './fan-out.ts'
import { maxFanTasks } from './limits.ts'

const taskFields = {
  ...delegateFields,
  id: z
    .string()
    .regex(/^[a-z0-9][a-z0-9_-]{0,31}$/i, 'must be a plain name')
    .describe('Name of the task.'),
  needs: z.array(z.string()).max(maxFanTasks).default([]).describe('Tasks that must have succeeded before it; it reads their results.'),
}

export function fanOutCall(deps: FanOutDeps): Call {
  return defineCall({
    rare: true,
    audience: ['model', 'terminal'],
    labels: { adds: [], sink: false },
    name: 'agent.fan_out',
    waitsFor: 'child',
    summary: 'Delegates many tasks at once, waits for all, any or some of them, and returns their results.',
    input: z.strictObject({
      tasks: z.array(z.strictObject(taskFields)).min(1).max(maxFanTasks),
      until: z
        .union([z.enum(['all', 'any']), z.int().min(1).max(maxFanTasks)])
        .default('all')
        .describe('How many must succeed; then the others are ended.'),
      on_failure: z.enum(['stop', 'continue']).default('continue').describe('stop: the first failure ends the others.'),
      synthesis: z.strictObject(delegateFields).optional().describe('One more agent, which reads all results.'),
    }),
    output: fanOutEnd,
    example: {
      tasks: [
        { id: 'code', agent: 'reviewer', goal: 'Find defects in /shared/src.', key_facts: [], needs: [] },
        { id: 'docs', agent: 'reviewer', goal: 'Find errors in /shared/docs.', key_facts: [], needs: [] },
      ],
      until: 'all',
      on_failure: 'continue',
    },
    tier: 'side_effecting',
    right: 'agent.spawn',
    effect: 'idempotent',
    timeoutMs: Infinity,
    recordOutput: ({ status, succeeded, tasks }) => ({
      outcome: status,
      succeeded,
      tasks: tasks.map(({ task, id, status: ended }) => ({ task, agent: id, status: ended })),
    }),
    async run(input, { id: call, caller, signal }) {
      const output = await fanOut(deps, { caller, call, name: 'agent.fan_out' }, input, signal)
      const { status, succeeded, tasks, synthesis, labels } = output
      const head = `${status}: ${succeeded} of ${tasks.length} tasks succeeded.`
      const parts = tasks.map((end) => `[${end.task}] ${doneOf(end, call).text}`)
      const joined = synthesis === null ? [] : [`[synthesis] ${doneOf(synthesis, call).text}`]
      return { output, text: [head, ...joined, ...parts].join('\n\n'), labels, ok: status === 'success' }
    },
  })
}
