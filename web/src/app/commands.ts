/** What the page on the screen adds to the command palette. */
import { useEffect } from 'react'

export interface Command {
  readonly title: string
  /** Where it belongs, shown at the right. */
  readonly group: string
  readonly run: () => void
}

/** Commands that the page on the screen adds; it removes them when it is left. */
const added = new Set<readonly Command[]>()

/** Adds commands while the component is on the screen. @param commands the same array until they change */
export function useCommands(commands: readonly Command[]): void {
  useEffect(() => {
    added.add(commands)
    return () => void added.delete(commands)
  }, [commands])
}

export function commandsOnScreen(): readonly Command[] {
  return [...added].flat()
}
