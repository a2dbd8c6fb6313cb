"""What the patcher's tests share: environments, a scripted model endpoint, the runner of programs and the contract."""
