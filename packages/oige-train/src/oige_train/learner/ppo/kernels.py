"""Warp kernels of PPO: each replaces many small torch kernels, whose number is what a gradient step costs on a GPU.

The torch code that they replace runs on other devices, and defines what they compute. Import this module late: Warp
need not be installed.
"""

import math

import warp as wp

__all__ = [
    "BLOCK",
    "ELU",
    "RELU",
    "TANH",
    "ObjectiveSettings",
    "act",
    "activation_gradient",
    "critic_gradient",
    "end_step",
    "gradient_scale",
    "normalise",
    "objective_gradient",
    "restore",
    "update_statistics",
]

#: Threads of a block, the same for all kernels: Warp compiles a module once for each size.
BLOCK = 64

#: Activations of layers.
ELU = wp.constant(0)
RELU = wp.constant(1)
TANH = wp.constant(2)

_HALF_LOG_2PI = wp.constant(0.5 * math.log(2.0 * math.pi))
_SOFT_BOUND = wp.constant(1.1)  # rl_games' bound of action means


@wp.struct
class ObjectiveSettings:
    """Settings of :class:`~oige_train.learner.ppo.losses.Objective`."""

    e_clip: float
    ppo: bool
    use_smooth_clamp: bool
    clip_value: bool
    critic_coef: float
    bounds_loss_coef: float
    regularisation: bool


@wp.func
def _clamp(value: float, low: float, high: float) -> float:
    """Clamp as torch does: NaN remains."""
    result = value
    if value < low:
        result = low
    if value > high:
        result = high
    return result


@wp.func
def _maximum(a: float, b: float) -> float:
    """Return the larger value, or NaN if one is NaN."""
    result = a
    if b > a or wp.isnan(b):
        result = b
    return result


@wp.func
def _share(value: float, other: float) -> float:
    """Return the derivative of the larger of two values with respect to the first; one half if they are equal."""
    share = 1.0
    if value < other:
        share = 0.0
    if value == other:
        share = 0.5
    return share


@wp.func
def _inside(slope: float, value: float, low: float, high: float) -> float:
    """Return the slope of a clamped value, which is zero outside of the bounds."""
    result = wp.float32(0.0)
    if value >= low and value <= high:
        result = slope
    return result


@wp.func
def _actor(settings: ObjectiveSettings, neg_log_prob: float, old_neg_log_prob: float, advantage: float) -> wp.vec2:
    """Return the actor's loss and its derivative with respect to −ln π(a)."""
    if not settings.ppo:
        return wp.vec2(neg_log_prob * advantage, advantage)
    low = 1.0 - settings.e_clip
    high = 1.0 + settings.e_clip
    ratio = wp.exp(old_neg_log_prob - neg_log_prob)
    clipped = _clamp(ratio, low, high)
    sigmoid = wp.float32(0.0)
    if settings.use_smooth_clamp:
        sigmoid = 1.0 / (1.0 + wp.exp(2.0 - 4.0 * (ratio - low) / (high - low)))
        clipped = sigmoid * (high - low) + low
    plain = -advantage * ratio
    bounded = -advantage * clipped
    slope = -advantage * _share(bounded, plain)
    if settings.use_smooth_clamp:
        slope *= 4.0 * sigmoid * (1.0 - sigmoid)
    else:
        slope = _inside(slope, ratio, low, high)
    slope -= advantage * _share(plain, bounded)
    return wp.vec2(_maximum(plain, bounded), -slope * ratio)


@wp.func
def _critic(settings: ObjectiveSettings, value: float, old_value: float, target: float) -> wp.vec2:
    """Return the critic's loss and its derivative with respect to the value."""
    error = value - target
    if not settings.clip_value:
        return wp.vec2(error * error, 2.0 * error)
    change = value - old_value
    clipped_error = old_value + _clamp(change, -settings.e_clip, settings.e_clip) - target
    plain = error * error
    clipped = clipped_error * clipped_error
    slope = _inside(2.0 * clipped_error * _share(clipped, plain), change, -settings.e_clip, settings.e_clip)
    return wp.vec2(_maximum(plain, clipped), slope + 2.0 * error * _share(plain, clipped))


@wp.kernel(enable_backward=False)
def objective_gradient(
    minibatch: wp.array[wp.int64],
    actions: wp.array3d[float],
    neg_log_probs: wp.array2d[float],
    advantages: wp.array2d[float],
    old_values: wp.array2d[float],
    returns: wp.array2d[float],
    old_mu: wp.array3d[float],
    old_sigma: wp.array3d[float],
    mu: wp.array2d[float],
    raw: wp.array2d[float],
    values: wp.array[float],
    entropy_coef: wp.array[float],
    settings: ObjectiveSettings,
    mu_slopes: wp.array2d[float],
    raw_slopes: wp.array2d[float],
    value_slopes: wp.array[float],
    terms: wp.array2d[float],
):
    """Differentiate the objective of a Gaussian policy; one thread per sample.

    The results of a sample are its share of a mean, so that sums over samples are means. The policy's mean and standard
    deviation replace those of the last pass.
    """
    row = wp.tid()
    batch = wp.int32(minibatch[0])
    samples = mu.shape[0]
    num_actions = mu.shape[1]
    weight = 1.0 / float(samples)

    squares = wp.float32(0.0)
    logs = wp.float32(0.0)
    for i in range(num_actions):
        z = (actions[batch, row, i] - mu[row, i]) / wp.exp(raw[row, i])
        squares += z * z
        logs += raw[row, i]
    neg_log_prob = 0.5 * squares + logs + _HALF_LOG_2PI * float(num_actions)
    actor = _actor(settings, neg_log_prob, neg_log_probs[batch, row], advantages[batch, row])
    critic = _critic(settings, values[row], old_values[batch, row], returns[batch, row])
    value_slopes[row] = 0.5 * settings.critic_coef * weight * critic[1]

    bounds = wp.float32(0.0)
    for i in range(num_actions):
        mean = mu[row, i]
        sigma = wp.exp(raw[row, i])
        z = (actions[batch, row, i] - mean) / sigma
        excess = mean
        if not settings.regularisation:
            excess = wp.abs(mean) - _SOFT_BOUND
            if excess < 0.0:
                excess = 0.0
        bounds += excess * excess
        bounds_slope = 2.0 * settings.bounds_loss_coef * excess
        if mean < 0.0 and not settings.regularisation:
            bounds_slope = -bounds_slope
        mu_slopes[row, i] = weight * (bounds_slope - actor[1] * z / sigma)
        raw_slopes[row, i] = weight * (actor[1] - actor[1] * z * z - entropy_coef[0])

    terms[0, row] = weight * actor[0]
    terms[1, row] = weight * critic[0]
    terms[2, row] = weight * (logs + (0.5 + _HALF_LOG_2PI) * float(num_actions))
    terms[3, row] = weight * bounds
    kl = wp.float32(0.0)
    exact_kl = wp.float32(0.0)
    originals = old_mu.shape[1]
    if row < originals:  # images under symmetries follow
        for i in range(num_actions):
            mean = mu[row, i]
            sigma = wp.exp(raw[row, i])
            change = mean - old_mu[batch, row, i]
            other = old_sigma[batch, row, i]
            kl += wp.log(other / sigma + 1.0e-5) - 0.5
            kl += (sigma * sigma + change * change) / (2.0 * (other * other + 1.0e-5))
            ratio = (sigma / other) * (sigma / other)
            distance = (change / other) * (change / other)
            exact_kl += 0.5 * _clamp(ratio - 1.0 - wp.log(ratio) + distance, 0.0, wp.inf)
            old_mu[batch, row, i] = mean
            old_sigma[batch, row, i] = sigma
    terms[4, row] = kl / float(originals)
    terms[5, row] = exact_kl / float(originals)


@wp.kernel(enable_backward=False)
def critic_gradient(
    minibatch: wp.array[wp.int64],
    old_values: wp.array2d[float],
    returns: wp.array2d[float],
    values: wp.array[float],
    settings: ObjectiveSettings,
    slopes: wp.array[float],
    losses: wp.array[float],
):
    """Differentiate the mean loss of an asymmetric critic; one thread per sample."""
    row = wp.tid()
    batch = wp.int32(minibatch[0])
    weight = 1.0 / float(values.shape[0])
    critic = _critic(settings, values[row], old_values[batch, row], returns[batch, row])
    slopes[row] = weight * critic[1]
    losses[row] = weight * critic[0]


@wp.kernel(enable_backward=False)
def gradient_scale(norms: wp.array[float], max_norm: float, scale: wp.array[float]):
    """Compute what to divide gradients by, so that the norm of all is at most ``max_norm``; one thread."""
    squares = wp.float32(0.0)
    for i in range(norms.shape[0]):
        squares += norms[i] * norms[i]
    scale[0] = _clamp((wp.sqrt(squares) + 1.0e-6) / max_norm, 1.0, wp.inf)


@wp.kernel(enable_backward=False)
def end_step(
    means: wp.array[float],
    divergence: int,
    threshold: float,
    lowest: float,
    highest: float,
    factor: float,
    step: wp.array[wp.int64],
    minibatch: wp.array[wp.int64],
    terms: wp.array2d[float],
    divergences: wp.array[float],
    rate: wp.array[float],
):
    """Store the means of a gradient step, adapt the rate if there is a threshold, and advance; one thread."""
    number = wp.int32(step[0])
    for i in range(means.shape[0]):
        terms[number, i] = means[i]
    kl = means[divergence]
    divergences[wp.int32(minibatch[0])] = kl
    if threshold > 0.0:
        if kl > 2.0 * threshold:
            rate[0] = wp.max(rate[0] / factor, lowest)
        elif kl < 0.5 * threshold:
            rate[0] = wp.min(rate[0] * factor, highest)
    step[0] += wp.int64(1)
    minibatch[0] += wp.int64(1)


@wp.func
def _deviation(variance: wp.float64, epsilon: float) -> float:
    return wp.sqrt(float(variance) + epsilon)


@wp.kernel(enable_backward=False)
def normalise(
    samples: wp.array2d[float],
    mean: wp.array[wp.float64],
    variance: wp.array[wp.float64],
    epsilon: float,
    bound: float,
    normalised: wp.array2d[float],
):
    """Normalise samples and clamp them; one thread per number."""
    row, i = wp.tid()
    value = (samples[row, i] - float(mean[i])) / _deviation(variance[i], epsilon)
    normalised[row, i] = _clamp(value, -bound, bound)


@wp.kernel(enable_backward=False)
def restore(
    normalised: wp.array2d[float],
    mean: wp.array[wp.float64],
    variance: wp.array[wp.float64],
    epsilon: float,
    bound: float,
    samples: wp.array2d[float],
):
    """Invert :func:`normalise`; one thread per number."""
    row, i = wp.tid()
    value = _clamp(normalised[row, i], -bound, bound)
    samples[row, i] = value * _deviation(variance[i], epsilon) + float(mean[i])


@wp.kernel(enable_backward=False)
def update_statistics(
    added_mean: wp.array[wp.float64],
    added_variance: wp.array[wp.float64],
    added: int,
    count: wp.array[wp.float64],
    mean: wp.array[wp.float64],
    variance: wp.array[wp.float64],
):
    """Add samples with a mean and variance to running statistics, except to their count; one thread per number."""
    i = wp.tid()
    new = wp.float64(added)
    total = count[0] + new
    change = added_mean[i] - mean[i]
    squares = variance[i] * count[0] + added_variance[i] * new + change * change * (count[0] * new / total)
    mean[i] += change * (new / total)
    variance[i] = squares / total


@wp.kernel(enable_backward=False)
def act(
    step: wp.array[wp.int64],
    noise: wp.array3d[float],
    mu: wp.array2d[float],
    raw: wp.array2d[float],
    values: wp.array[float],
    actions: wp.array2d[float],
    stored_actions: wp.array3d[float],
    stored_mu: wp.array3d[float],
    stored_raw: wp.array3d[float],
    stored_values: wp.array2d[float],
):
    """Sample actions of a Gaussian policy, and store them with the policy and the value; one thread per world."""
    world = wp.tid()
    index = wp.int32(step[0])
    for i in range(mu.shape[1]):
        action = mu[world, i] + wp.exp(raw[world, i]) * noise[index, world, i]
        actions[world, i] = action
        stored_actions[index, world, i] = action
        stored_mu[index, world, i] = mu[world, i]
        if world < stored_raw.shape[1]:  # one for all worlds, or each its own
            stored_raw[index, world, i] = raw[world, i]
    stored_values[index, world] = values[world]


@wp.func
def _through_activation(slope: float, result: float, activation: int) -> float:
    """Return the derivative with respect to the argument of an activation that has a result."""
    through = slope
    if activation == TANH:
        through = slope * (1.0 - result * result)
    if activation == ELU and not (result > 0.0):
        through = slope * (result + 1.0)
    if activation == RELU and result <= 0.0:
        through = wp.float32(0.0)
    return through


@wp.kernel(enable_backward=False)
def activation_gradient(
    slopes: wp.array2d[float],
    results: wp.array2d[float],
    activation: int,
    through: wp.array2d[float],
    sums: wp.array2d[float],
):
    """Take derivatives back through an activation, and add up every ``sums.shape[1]``-th row; one thread per sum.

    Threads next to each other read numbers next to each other. Four numbers are read before the first is used or
    written, because a thread waits much longer than it computes.
    """
    part, column = wp.tid()
    stride = sums.shape[1]
    rows = results.shape[0]
    total = wp.float32(0.0)
    row = wp.int32(part)
    while row + 3 * stride < rows:
        slope_a = slopes[row, column]
        slope_b = slopes[row + stride, column]
        slope_c = slopes[row + 2 * stride, column]
        slope_d = slopes[row + 3 * stride, column]
        result_a = results[row, column]
        result_b = results[row + stride, column]
        result_c = results[row + 2 * stride, column]
        result_d = results[row + 3 * stride, column]
        a = _through_activation(slope_a, result_a, activation)
        b = _through_activation(slope_b, result_b, activation)
        c = _through_activation(slope_c, result_c, activation)
        d = _through_activation(slope_d, result_d, activation)
        through[row, column] = a
        through[row + stride, column] = b
        through[row + 2 * stride, column] = c
        through[row + 3 * stride, column] = d
        total += (a + b) + (c + d)
        row += 4 * stride
    while row < rows:
        rest = _through_activation(slopes[row, column], results[row, column], activation)
        through[row, column] = rest
        total += rest
        row += stride
    sums[column, part] = total
