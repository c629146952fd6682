/** The schedules of a move: what they do, and the labels of whoever wrote that, go along; each runs in one space at a time. */
import { OxbowError } from '../../base/index.ts'
import type { OutputOf } from '../../client/index.ts'
import type { SpaceMove } from '../../runner/index.ts'
import { plainLine } from '../../terminal/index.ts'
import { outcomeOf, outputOf } from '../guest-connection.ts'
import { allSchedules, type Gateway, ifThere } from './space-asks.ts'

type Item = SpaceMove['schedules'][number]
type ScheduleOf = OutputOf<'schedule.search'>['schedules'][number]

/** Characters of a name or a title that are shown. */
export const titleChars = 60
/** Of the mark of a move, in the name of what it has placed. */
const markChars = 20

/** @throws OxbowError `not_found`, and as `movableSchedule` */
export async function scheduleNamed(from: Gateway, id: string): Promise<Item> {
  const found = (await allSchedules(from)).find((one) => one.id.startsWith(id) && one.source === 'call')
  if (found === undefined)
    throw new OxbowError('not_found', `there is no schedule ${id} in this space`, {
      hint: '`oxbow schedule list` shows the schedules; lines of a configuration file are moved with an editor.',
    })
  return movableSchedule(found)
}

/** @throws OxbowError `denied` for one that runs as an agent: the rights that were given to it hold in its space */
export function movableSchedule({ id, name, as }: ScheduleOf): Item {
  if (as === undefined || as === '') return { id, name, placed: '' }
  throw new OxbowError('denied', `the schedule ${plainLine(name, titleChars)} runs as ${as}, with rights that it was given in this space`, {
    hint: `Make it anew in the other space (oxbow schedule add --as ${as} --space NAME), and remove this one: oxbow schedule remove ${id}`,
  })
}

/** @param there the schedules of its space @returns its id in the other space, where it is active */
export async function placeSchedule(there: readonly ScheduleOf[], to: Gateway, { id, name }: Item, mark: string): Promise<string> {
  const found = there.find((one) => one.id === id)
  if (found === undefined) throw new OxbowError('not_found', `the schedule ${name} is gone`, { hint: 'Begin again.' })
  const { goal, cadence, context, model, misfire, grace_s, overlap, retries, timeout_s, notify, budget, labels } = found
  const made = await outputOf(to, 'schedule.create', {
    goal,
    cadence,
    context,
    model,
    misfire,
    grace_s,
    overlap,
    retries,
    timeout_s,
    notify,
    labels: [...labels],
    ...(budget !== undefined && { budget }),
    name: `${name.slice(0, titleChars)} ${mark.slice(0, markChars)}`,
  })
  return made.id
}

export const isMarked = (name: string, mark: string): boolean => name.endsWith(mark.slice(0, markChars))

/** Each step can be done again. One that was paused stays paused. */
export async function finishSchedules(from: Gateway, to: Gateway, moved: readonly Item[], mark: string): Promise<void> {
  const left = new Map((await allSchedules(from)).map((one) => [one.id, one.status]))
  const placed = new Map((await allSchedules(to)).map((one) => [one.id, one.name]))
  for (const { id, name, placed: there } of moved) {
    const change = async (status: { readonly status?: 'active' }): Promise<void> => {
      if (isMarked(placed.get(there) ?? '', mark)) await ifThere(outcomeOf(to, 'schedule.edit', { id: there, name, ...status }))
    }
    // Its new name says that it is done: after that its state in the first space is not known any more.
    if (left.get(id) === 'paused') await change({})
    await ifThere(outcomeOf(from, 'schedule.delete', { id }))
    if (left.get(id) !== 'paused') await change({ status: 'active' })
  }
}
