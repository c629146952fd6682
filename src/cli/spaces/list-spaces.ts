/** `oxbow space list`: the spaces, and what each sees of others. Apart from the other verbs, which need nothing of what is shared. */
import { openHome, sharedWith, spacesOf } from '../../runner/index.ts'
import { plural } from '../../base/index.ts'
import type { SharedItem } from '../../protocol/index.ts'
import { formatTime, plainLine, table } from '../../terminal/index.ts'
import { printList, type Terminal } from '../terminal.ts'
import { aboutChars, personOf, shown, type SpaceOptions } from './spaces.ts'

export async function spaceList(options: SpaceOptions, terminal: Terminal): Promise<number> {
  const home = openHome(terminal.env)
  const all = spacesOf(home, personOf(options)).map((space) => ({ ...shown(space), shared: sharedWith(home, space) }))
  const rows = all.map(({ space, in_use, archived, created_at, about, shared }) => [
    in_use ? '*' : '',
    space,
    archived ? 'archived' : '',
    created_at === 0 ? '' : formatTime(created_at),
    [about, ...sharedText(shared)]
      .map((text) => plainLine(text, aboutChars))
      .filter((text) => text !== '')
      .join('; '),
  ])
  return printList(all, { text: () => table(rows) }, options, terminal)
}

/** In words, by space. */
function sharedText(shared: readonly SharedItem[]): readonly string[] {
  const bySpace = Object.entries(Object.groupBy(shared, ({ from }) => from))
  return bySpace.map(([from, all = []]) => {
    const folders = all.flatMap(({ folder }) => (folder === '' ? [] : [folder]))
    const count = all.length - folders.length
    const parts = [...folders, ...(count > 0 ? [plural(count, 'memory', 'memories')] : [])]
    return `sees ${new Intl.ListFormat('en').format(parts)} of ${from}`
  })
}
