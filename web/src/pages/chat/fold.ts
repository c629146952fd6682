/** Which items are folded open. Kept outside of them: an item that scrolls away is not on the page any more. */
import { createContext, useContext, useState } from 'react'

export const FoldContext: React.Context<Map<string, boolean>> = createContext(new Map<string, boolean>())

/** @returns whether the item is open, and what toggles it */
export function useFold(key: string, initially = false): readonly [boolean, () => void] {
  const folds = useContext(FoldContext)
  const [isOpen, setOpen] = useState(folds.get(key) ?? initially)
  const toggle = (): void => {
    folds.set(key, !isOpen)
    setOpen(!isOpen)
  }
  return [isOpen, toggle]
}
