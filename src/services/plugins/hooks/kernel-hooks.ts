/** The hooks of plugins in the steps of a turn that are no calls, and in events; those around calls are in `call-hooks.ts`. */
import { describeEvent, mayBeEvent } from '../../../kernel/index.ts'
import type { TurnHooks } from '../../../runtime/index.ts'
import { fenced, type UserId } from '../../../base/index.ts'
import { type HookPlace, joinLabels, labelsIn, originOf, type Process } from '../../../protocol/index.ts'
import { type CallHookDeps, createCallHooks, hookFailure } from './call-hooks.ts'
import { askPerson } from './hook-approval.ts'
import type { LoadedHooks } from './lazy-hooks.ts'
import { createHookRunner, type HookDeps } from './run-hooks.ts'

export interface KernelHookDeps extends HookDeps, Omit<CallHookDeps, 'runner' | 'replaced'> {
  readonly user: UserId
}

export function createKernelHooks(deps: KernelHookDeps): LoadedHooks {
  const runner = createHookRunner(deps)
  const own = { ...deps, runner, replaced: new WeakSet<object>() }
  return {
    before: createCallHooks(own),
    turns: (actor) => createTurnHooks(own, actor),
    publish(record) {
      const event = mayBeEvent(record) ? describeEvent(record, deps.registry.find) : null
      // What hooks did is no event for hooks: one that fails would be shown its own failures.
      if (event === null || event.kind.startsWith('hook_')) return
      const { session, ...shown } = event
      runner.show('event.emitted', { session, turn: record.turn, agent: '', user: deps.user, ...shown }, labelsIn(record.body))
    },
  }
}

function createTurnHooks(deps: KernelHookDeps & Pick<CallHookDeps, 'runner'>, actor: string): Omit<TurnHooks, 'sees'> {
  const { runner } = deps
  const placeOf = ({ session, turn }: Process): HookPlace => ({ session, turn, agent: actor.replace(/^agent:/, ''), user: deps.user })
  return {
    async decide(process, text) {
      const { changes, refused, asks } = await runner.decide('respond.decide', { ...placeOf(process), text, respond: true }, process.signal)
      if (refused !== null) return { failure: hookFailure(refused, 'an answer to this message') }
      const denied = await askPerson((name, input) => process.call(name, input), asks, 'an answer to the message', text)
      if (denied !== null) return { failure: denied }
      return changes.respond === false ? { failure: null } : null
    },
    async compose(process, system, text) {
      const value = { ...placeOf(process), system, text, append: '' }
      const { changes, changedBy, labels, refused, asks } = await runner.decide('context.compose', value, process.signal)
      if (refused !== null) return { failure: hookFailure(refused, 'this turn') }
      const denied = await askPerson((name, input) => process.call(name, input), asks, 'the turn', text)
      if (denied !== null) return { failure: denied }
      const { append = '' } = changes
      if (append === '') return { system }
      deps.sessions.join(
        process,
        joinLabels(labels, ['untrusted']),
        changedBy.map((plugin) => originOf('plugin', plugin)),
      )
      return { system: `${system}\n\nAdded by plugins (${changedBy.join(', ')}):\n${fenced(append, process.newCallId())}` }
    },
    async evaluated(process, { status, reply, steps }) {
      runner.show('turn.evaluated', { ...placeOf(process), status, reply, steps })
    },
  }
}
