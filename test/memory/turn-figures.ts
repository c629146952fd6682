/** How memory serves turns, by what the first request of each shows. */
import assert from 'node:assert/strict'
import type { TurnSet } from '../../bench/recall/turns/turn-set.ts'
import type { GuestStatus } from '../../src/protocol/index.ts'
import type { FrontDoor } from './front-door.ts'

export interface Share {
  readonly asked: number
  /** Of them so many were given something. */
  readonly given: number
  /** And the fact that answers. */
  readonly answered: number
}

export interface TurnFigures {
  readonly direct: Share
  readonly reworded: Share
  readonly tasks: Share
  readonly tongues: Share
  readonly chores: Share
  /** Turns for which it came too late: how many depends on what else the machine does. */
  readonly late: number
}

type Asked = readonly [text: string, answer: string]

/** Each message in a session of its own. */
export async function measureTurns(door: FrontDoor, { facts, chores, tongues, tongueChores }: TurnSet): Promise<TurnFigures> {
  for (const { told } of [...facts, ...tongues]) await door.say(told)
  await door.indexed()
  const share = async (asked: readonly Asked[]): Promise<Share> => {
    const shown: string[] = []
    for (const [text] of asked) shown.push(await door.say(text))
    const answered = shown.filter((each, i) => each.includes(asked[i]![1])).length
    return { asked: asked.length, given: shown.filter((each) => each !== '').length, answered }
  }
  const before = await recallsOf(door)
  const figures = {
    direct: await share(facts.map(({ direct, told }) => [direct, told])),
    reworded: await share(facts.map(({ reworded, told }) => [reworded, told])),
    tasks: await share(facts.flatMap(({ task, told }) => (task === undefined ? [] : [[task, told] as const]))),
    tongues: await share(tongues.map(({ ask, told }) => [ask, told])),
    chores: await share([...chores, ...tongueChores].map((text) => [text, ''])),
  }
  return { ...figures, late: (await recallsOf(door)).late - before.late }
}

/** What `oxbow status` shows of it. */
export async function recallsOf({ terminal }: FrontDoor): Promise<NonNullable<GuestStatus['recalls']>> {
  const { result } = await terminal.expect('result', 'status', {})
  const { recalls } = result as unknown as GuestStatus
  assert.ok(recalls)
  return recalls
}
