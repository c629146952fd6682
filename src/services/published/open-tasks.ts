/**
 * Tasks that have not ended. Each is a run, on record before its turn begins, and over with that turn; so a program that has sent as many as
 * it may is refused the next one after a restart, too.
 */
import type { Core, Documents } from '../../kernel/index.ts'
import type { Runs } from '../../runs/index.ts'
import { type CallId, OxbowError, type TurnId } from '../../base/index.ts'

const category = 'system/open_tasks'
/** Open tasks of one program: each may run a model for an hour. */
const maxOpenTasks = 16
/** A send is over by then, whether it has begun its turn or not. */
const sendMs = 60_000

interface OpenTask {
  readonly task: TurnId
  readonly owner: string
  /** Unix milliseconds. */
  readonly since: number
}

export interface OpenTasks {
  /** Takes in a task whose turn is to begin. @throws OxbowError `limit_reached` */
  enter(of: Parameters<Documents['put']>[0], task: TurnId, owner: string): Promise<void>
  /** It has not begun. */
  leave(task: TurnId): Promise<void>
  /** Goes on with those that a crash or a stop left. */
  load(): Promise<void>
}

export function openOpenTasks({ store, clock, events, newId, outcomeOf }: Core, runs: Runs): OpenTasks {
  const topicOf = (task: string): string => `task ${task}`
  const hasBegun = async (task: TurnId): Promise<boolean> =>
    (await store.records({ call: task as string as CallId, order: 'oldest_first', limit: 1, hydrate: false })).length > 0
  const held = runs.hold<OpenTask>({
    name: 'tasks',
    category,
    dueAt: ({ since }) => since,
    async goOn({ state: { task, since }, signal }) {
      const isOver = async (): Promise<true | null> =>
        (await outcomeOf(task)) !== null || (clock.now() - since > sendMs && !(await hasBegun(task))) ? true : null
      await runs.until(topicOf(task), isOver, { signal })
      await leave(task)
    },
  })
  const leave = (task: TurnId): Promise<void> => {
    const of = { caller: { actor: 'kernel', session: '', turn: '' }, call: newId() as CallId, name: 'task.end' } as const
    return held.update(of, task, async (now) => (now === null ? [] : [{ category, name: task, value: null }]))
  }
  events.onTurnEnd(({ call }) => runs.changed(topicOf(call)))
  return {
    load: held.load,
    leave,
    async enter(of, task, owner) {
      await held.begin(of, task, { task, owner, since: clock.now() })
      // Of several that come at once, those that were recorded first are taken.
      const place = held
        .open()
        .filter((each) => each.owner === owner)
        .findIndex((each) => each.task === task)
      if (place < maxOpenTasks) return
      await leave(task)
      throw new OxbowError('limit_reached', `There are ${maxOpenTasks} open tasks of ${owner}.`, {
        hint: 'Wait until some have ended, or cancel them.',
      })
    },
  }
}
