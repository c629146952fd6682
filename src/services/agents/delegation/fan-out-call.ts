/** The call by which an agent, or a person, delegates many tasks at once. */
import { type Call, defineCall } from '../../../protocol/index.ts'
import { doneOf } from './delegate-calls.ts'
import { fanOut, type FanOutDeps, fanOutEnd, fanOutInput } from './fan-out.ts'

export function fanOutCall(deps: FanOutDeps): Call {
  return defineCall({
    rare: true,
    audience: ['model', 'terminal'],
    labels: { adds: [], sink: false },
    name: 'agent.fan_out',
    waitsFor: 'child',
    summary: 'Delegates many tasks at once, waits for all, any or some of them, and returns their results.',
    input: fanOutInput,
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
    does: ['delegate'],
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
