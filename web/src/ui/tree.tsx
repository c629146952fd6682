/** A tree. The arrow keys walk through what is open: right opens, left closes or goes to the parent; Enter chooses. */
import { ChevronRight } from 'lucide-react'
import { type KeyboardEvent, type ReactNode, useEffect, useRef, useState } from 'react'
import { ownValue } from '../../../src/base/index.ts'

export interface TreeNode {
  readonly id: string
  readonly label: ReactNode
  readonly icon?: ReactNode
  /** Absent: a leaf. Empty, and `onOpen` given: loaded when it is opened. */
  readonly children?: readonly TreeNode[]
}

interface TreeProps {
  readonly label: string
  readonly nodes: readonly TreeNode[]
  readonly current?: string | null
  readonly onChoose: (id: string) => void
  /** A node with children was opened. */
  readonly onOpen?: (id: string) => void
  /** Opened at first, and again when this changes: what is above the current node. */
  readonly initiallyOpen?: readonly string[]
}

interface ShownNode extends TreeNode {
  readonly level: number
  readonly parent: string | null
}

export function Tree({ label, nodes, current = null, onChoose, onOpen, initiallyOpen = [] }: TreeProps): ReactNode {
  const [open, setOpen] = useState<ReadonlySet<string>>(() => new Set(initiallyOpen))
  const [focused, setFocused] = useState<string | null>(current)
  const list = useRef<HTMLUListElement>(null)
  const wanted = JSON.stringify(initiallyOpen)
  useEffect(() => setOpen((before) => new Set([...before, ...(JSON.parse(wanted) as string[])])), [wanted])
  const shown = flatten(nodes, open)
  const tabStop = shown.some(({ id }) => id === focused) ? focused : (shown[0]?.id ?? null)

  const toggle = (id: string, isOpen: boolean): void => {
    setOpen((before) => {
      const after = new Set(before)
      if (isOpen) after.add(id)
      else after.delete(id)
      return after
    })
    if (isOpen) onOpen?.(id)
  }
  const focus = (id: string): void => {
    setFocused(id)
    list.current?.querySelector<HTMLElement>(`[data-node="${CSS.escape(id)}"]`)?.focus()
  }
  const pressed = (event: KeyboardEvent, node: ShownNode): void => {
    const at = shown.indexOf(node)
    const isOpen = open.has(node.id)
    const isParent = node.children !== undefined
    const target = ownValue({ ArrowDown: shown[at + 1], ArrowUp: shown[at - 1], Home: shown[0], End: shown.at(-1) }, event.key)
    if (target !== undefined) focus(target.id)
    else if (event.key === 'ArrowRight' && isParent && !isOpen) toggle(node.id, true)
    else if (event.key === 'ArrowLeft' && isOpen) toggle(node.id, false)
    else if (event.key === 'ArrowLeft' && node.parent !== null) focus(node.parent)
    else if (event.key === 'Enter' || event.key === ' ') onChoose(node.id)
    else return
    event.preventDefault()
  }
  return (
    <ul ref={list} className="tree" role="tree" aria-label={label}>
      {shown.map((node) => (
        <li
          key={node.id}
          data-node={node.id}
          role="treeitem"
          aria-level={node.level + 1}
          aria-selected={node.id === current}
          aria-expanded={node.children === undefined ? undefined : open.has(node.id)}
          tabIndex={node.id === tabStop ? 0 : -1}
          style={{ paddingInlineStart: `${node.level * 1.1 + 0.4}rem` }}
          onClick={() => {
            setFocused(node.id)
            if (node.children !== undefined) toggle(node.id, !open.has(node.id))
            onChoose(node.id)
          }}
          onKeyDown={(event) => pressed(event, node)}
        >
          <span className="tree-twist" data-open={open.has(node.id)} aria-hidden="true">
            {node.children !== undefined && <ChevronRight />}
          </span>
          {node.icon}
          <span className="tree-label">{node.label}</span>
        </li>
      ))}
    </ul>
  )
}

function flatten(nodes: readonly TreeNode[], open: ReadonlySet<string>, level = 0, parent: string | null = null): readonly ShownNode[] {
  return nodes.flatMap((node) => [
    { ...node, level, parent },
    ...(node.children !== undefined && open.has(node.id) ? flatten(node.children, open, level + 1, node.id) : []),
  ])
}
