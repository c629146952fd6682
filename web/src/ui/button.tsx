/** Buttons. An icon is decoration; a button that is only an icon has a label. */
import type { ButtonHTMLAttributes, ReactNode } from 'react'

export interface ButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  readonly variant?: 'primary' | 'plain' | 'quiet' | 'danger'
  readonly size?: 's' | 'm'
  readonly icon?: ReactNode
  /** Shows that what it started goes on, and takes no second press. */
  readonly isBusy?: boolean
}

export function Button({ variant = 'plain', size = 'm', icon, isBusy = false, className = '', children, ...rest }: ButtonProps): ReactNode {
  return (
    <button
      type="button"
      {...rest}
      className={`button ${className}`}
      data-variant={variant}
      data-size={size}
      aria-busy={isBusy || undefined}
      disabled={isBusy || rest.disabled === true}
    >
      {isBusy ? <span className="spinner" aria-hidden="true" /> : icon}
      {children}
    </button>
  )
}

interface IconButtonProps extends Omit<ButtonProps, 'children'> {
  readonly icon: ReactNode
  /** For screen readers, and as a tooltip. */
  readonly label: string
}

export function IconButton({ label, className = '', ...rest }: IconButtonProps): ReactNode {
  return <Button variant="quiet" {...rest} className={`icon-button ${className}`} aria-label={label} title={label} />
}
