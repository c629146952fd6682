/** What a plan has changed that is no file, for its own later calls, and how that is shown. */
import type { Json } from '../../base/index.ts'
import type { PlanOverlay } from '../../protocol/index.ts'

export interface Overlay extends PlanOverlay {
  /** @returns a unified difference of all of it; empty: nothing was changed */
  difference(): Promise<string>
}

export function createOverlay(): Overlay {
  const now = new Map<string, Json>()
  const texts = new Map<string, { readonly before: string; readonly after: string }>()
  return {
    get: (place) => now.get(place),
    put(place, value, { before, after }) {
      now.set(place, value)
      // Before the plan, not before its last step.
      texts.set(place, { before: texts.get(place)?.before ?? before, after })
    },
    below: (prefix) => new Map([...now].filter(([place]) => place.startsWith(prefix))),
    async difference() {
      if (now.size === 0) return ''
      const { createTwoFilesPatch } = await import('diff')
      const parts = [...texts].flatMap(([place, { before, after }]) => {
        if (before === after) return []
        const names = [before === '' ? '/dev/null' : `a/${place}`, after === '' ? '/dev/null' : `b/${place}`] as const
        // Its first line is a rule, which no other difference here has.
        return [createTwoFilesPatch(...names, lines(before), lines(after)).replace(/^=+\n/, '')]
      })
      return parts.join('')
    },
  }
}

const lines = (text: string): string => (text === '' || text.endsWith('\n') ? text : `${text}\n`)
