/**
 * Whether what memory has for a message is in the first request of its turn: of what the guest's own search found for it, and of what a
 * search without hurry finds in the memory as it was before all turns. The second is less, however soon the first is there: what other
 * sessions have said since changes what a memory finds.
 */
import { bounded, type Row, shown } from '../report.ts'
import type { SeenRequest } from '../subjects/model-server.ts'
import { expectedFinds } from './lifelike-memory.ts'
import type { TalkMessage } from './lifelike-talk.ts'
import { recalledTurns } from './recalled-turns.ts'

export interface Delivered {
  /** Messages for which the guest's search found something, or failed. */
  readonly recalled: number
  /** Of them those whose request has what was found. */
  readonly inTime: number
  /** Messages for which a search without hurry finds something in the memory before. */
  readonly finds: number
  /** Of them those whose request carries memory. */
  readonly carried: number
  /** Of the finds, those with a passage that answers in what the search finds, and in the request. */
  readonly answersFound: number
  readonly answersCarried: number
}

interface Turns {
  /** In the memory before. */
  readonly passages: number
  /** Of the guest, which may still run. */
  readonly database: string
  readonly messages: readonly TalkMessage[]
  /** First requests by message. */
  readonly seen: ReadonlyMap<string, SeenRequest>
}

export async function judgeDelivered({ passages, database, messages, seen }: Turns): Promise<Delivered> {
  const recalled = await recalledTurns(database)
  const given = messages.filter(({ text }) => recalled.has(text))
  const finds = await expectedFinds(passages, messages)
  const found = messages.filter(({ text }) => finds.has(text))
  const has = (text: string | undefined, { answers }: TalkMessage): boolean => answers.some((each) => text?.includes(each) === true)
  const isCarried = (message: TalkMessage): boolean => {
    const request = seen.get(message.text)
    // What the session was told before is not told again.
    return request !== undefined && (request.isFresh || finds.get(message.text)!.passages.some((each) => request.memory.includes(each)))
  }
  return {
    recalled: given.length,
    inTime: given.filter(({ text }) => recalled.get(text) === true && seen.get(text)?.isFresh === true).length,
    finds: found.length,
    carried: found.filter(isCarried).length,
    answersFound: found.filter((each) => has(finds.get(each.text)?.text, each)).length,
    answersCarried: found.filter((each) => has(seen.get(each.text)?.memory, each)).length,
  }
}

/** @param least share that is wanted */
export function deliveredRow({ recalled, inTime }: Delivered, where: string, least: number): Row {
  const share = inTime / recalled
  const what = `${inTime} of ${recalled} turns for which recall found something`
  return bounded(`memory in the first request${where}`, percent(share), what, `≥ ${least * 100} %`, share >= least)
}

/** Of a guest that is warm. */
const leastInTime = 0.99

export function deliveredRows(delivered: Delivered, where: string): readonly Row[] {
  const { finds, carried, answersFound, answersCarried } = delivered
  return [
    deliveredRow(delivered, where, leastInTime),
    shown(`what is found in the memory before is in it${where}`, `${carried} of ${finds} turns`, 'others have said more since'),
    shown(`the passage that answers is in it${where}`, `${answersCarried} turns`, `the search without hurry finds it for ${answersFound}`),
  ]
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`
}
