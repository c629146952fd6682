/** A lost connection in one quiet line, and one when it is back: what a person typed meanwhile is sent then. */
import type { ConnectionState } from '../../client/index.ts'

/** @returns what takes the states of a connection that stands, and tells each change once, however many tries it takes. */
export function createConnectionNews(tell: (text: string) => void): (state: ConnectionState) => void {
  let isLost = false
  return ({ type }) => {
    if (type === 'gone' || (type === 'reconnecting') === isLost) return
    isLost = type === 'reconnecting'
    tell(isLost ? '  — the connection to the guest is lost; trying to come back —' : '  — connected again —')
  }
}
