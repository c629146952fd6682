/** A button that opens a menu: over everything, closed by Escape, by a choice, or by a press elsewhere. */
import { type KeyboardEvent, type ReactNode, useId, useRef, useState } from 'react'
import { IconButton } from './button.tsx'
import { ownValue } from '../../../src/base/index.ts'

interface MenuItem {
  readonly title: string
  readonly icon?: ReactNode
  readonly isDangerous?: boolean
  readonly onChoose: () => void
}

interface MenuProps {
  readonly label: string
  readonly icon: ReactNode
  readonly items: readonly MenuItem[]
}

export function Menu({ label, icon, items }: MenuProps): ReactNode {
  const id = useId()
  const list = useRef<HTMLDivElement>(null)
  const button = useRef<HTMLSpanElement>(null)
  const [isOpen, setOpen] = useState(false)

  const place = (): void => {
    const from = button.current?.getBoundingClientRect()
    const element = list.current
    if (from === undefined || element === null) return
    const { offsetWidth: width, offsetHeight: height } = element
    element.style.left = `${Math.max(8, Math.min(from.right - width, innerWidth - width - 8))}px`
    element.style.top = `${from.bottom + 4 + height > innerHeight ? Math.max(8, from.top - height - 4) : from.bottom + 4}px`
  }
  const entries = (): readonly HTMLElement[] => [...(list.current?.querySelectorAll<HTMLElement>('[role=menuitem]') ?? [])]
  const pressed = (event: KeyboardEvent): void => {
    const all = entries()
    const at = all.indexOf(document.activeElement as HTMLElement)
    const step = ownValue({ ArrowDown: at + 1, ArrowUp: at - 1 + all.length, Home: 0, End: all.length - 1 }, event.key)
    if (step === undefined) return
    event.preventDefault()
    all[step % all.length]?.focus()
  }
  return (
    <span ref={button} className="menu-anchor">
      <IconButton size="s" icon={icon} label={label} aria-haspopup="menu" aria-expanded={isOpen} popoverTarget={id} />
      <div
        ref={list}
        id={id}
        className="menu"
        role="menu"
        aria-label={label}
        popover="auto"
        onKeyDown={pressed}
        onToggle={(event) => {
          const opened = event.newState === 'open'
          setOpen(opened)
          if (!opened) return
          place()
          entries()[0]?.focus()
        }}
      >
        {items.map(({ title, icon: itemIcon, isDangerous, onChoose }) => (
          <button
            key={title}
            type="button"
            role="menuitem"
            data-danger={isDangerous || undefined}
            onClick={() => {
              list.current?.hidePopover()
              onChoose()
            }}
          >
            {itemIcon}
            {title}
          </button>
        ))}
      </div>
    </span>
  )
}
