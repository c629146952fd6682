/** The command palette (Ctrl+K): every page, and what a page or the shell offers from everywhere. */
import { type KeyboardEvent, type ReactNode, useEffect, useId, useMemo, useRef, useState } from 'react'
import { useGuest } from '../data/guest.tsx'
import { type Command, commandsOnScreen } from './commands.ts'
import { pages } from './pages.ts'
import { navigate } from './router.tsx'
import { applyTheme, themes } from './theme.ts'

interface PaletteProps {
  readonly isOpen: boolean
  readonly onClose: () => void
}

export function Palette({ isOpen, onClose }: PaletteProps): ReactNode {
  const dialog = useRef<HTMLDialogElement>(null)
  useEffect(() => {
    const element = dialog.current
    if (isOpen && element?.open === false) element.showModal()
    if (!isOpen) element?.close()
  }, [isOpen])
  return (
    <dialog ref={dialog} className="palette" aria-label="Find a page or an action" onClose={onClose} onClick={closeOutside}>
      {isOpen && <PaletteList onClose={onClose} />}
    </dialog>
  )
}

function closeOutside(event: { readonly target: EventTarget; readonly currentTarget: HTMLDialogElement }): void {
  if (event.target === event.currentTarget) event.currentTarget.close()
}

function PaletteList({ onClose }: { readonly onClose: () => void }): ReactNode {
  const { signOut } = useGuest()
  const [text, setText] = useState('')
  const [at, setAt] = useState(0)
  const id = useId()
  const all = useMemo<readonly Command[]>(
    () => [
      ...commandsOnScreen(),
      ...pages
        .filter(({ path }) => path !== 'callback')
        .map(({ path, title, group = 'Page' }) => ({ title, group, run: () => navigate(`/${path}`) })),
      ...themes.map((theme) => ({ title: `Theme: ${theme}`, group: 'Look', run: () => applyTheme(theme) })),
      { title: 'Sign out of this browser', group: 'Account', run: () => void signOut() },
    ],
    [signOut],
  )
  const words = text.toLowerCase().split(/\s+/).filter(Boolean)
  const found = all.filter(({ title, group }) => words.every((word) => `${title} ${group}`.toLowerCase().includes(word)))
  const choose = (command: Command | undefined): void => {
    if (command === undefined) return
    onClose()
    command.run()
  }
  const pressed = (event: KeyboardEvent): void => {
    const step = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0
    if (step !== 0 && found.length > 0) setAt((at + step + found.length) % found.length)
    else if (event.key === 'Enter') choose(found[at])
    else return
    event.preventDefault()
  }
  return (
    <>
      <input
        className="palette-input"
        autoFocus
        role="combobox"
        aria-label="Find a page or an action"
        aria-expanded="true"
        aria-controls={id}
        aria-activedescendant={found[at] === undefined ? undefined : `${id}-${at}`}
        placeholder="Find a page or an action"
        value={text}
        onChange={(event) => {
          setText(event.target.value)
          setAt(0)
        }}
        onKeyDown={pressed}
      />
      <ul id={id} role="listbox" aria-label="Found">
        {found.map((command, index) => (
          <li
            key={`${command.group} ${command.title}`}
            id={`${id}-${index}`}
            role="option"
            aria-selected={index === at}
            onMouseMove={() => setAt(index)}
            onClick={() => choose(command)}
          >
            {command.title}
            <span className="palette-group">{command.group}</span>
          </li>
        ))}
      </ul>
      {found.length === 0 && <p className="palette-none">Nothing has this name.</p>}
    </>
  )
}
