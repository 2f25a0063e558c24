"""Several devices and several processes: the only place that knows tf.distribute."""
